"""The parameter counts of the paper's networks, to the unit; the paper prints their first digits."""

RECONSTRUCTED_PARAMS = {
    ("vgg19", "base"): 20_035_018,
    ("vgg19", "a"): 17_234_594,
    ("vgg19", "b"): 3_170_782,
    ("vgg19", "c"): 1_891_695,
    ("vgg19", "d"): 8_072_056,
    ("vgg19", "e"): 2_066_849,
    ("resnet50", "base"): 23_520_842,
    ("resnet50", "a"): 14_174_778,
    ("resnet50", "b"): 4_854_462,
    ("resnet50", "c"): 3_481_238,
    ("resnet50", "d"): 8_362_638,
    ("resnet50", "e"): 3_686_596,
}
