"""Options `--filter` keep what fits them, and name what does not exist."""

import pytest

from fdt_core.errors import UsageError
from fdt_core.results.cell_filter import AxisValue, cell_filters

VALUES: dict[str, list[AxisValue]] = {
    "model": ["vgg19", "timm/convnext_atto", "timm/resnet10t"],
    "variant": [""],
    "template": ["base", "a", "c"],
    "dataset": ["cifar10", "cifar100", "digits"],
    "seed": [0, 1, 10, 11],
}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("template=base,c", ["base", "c"]),
        ("template!=base,c", ["a"]),
        ("model=timm/*", ["timm/convnext_atto", "timm/resnet10t"]),
        ("model!=timm/*", ["vgg19"]),
        ("dataset=cifar10*", ["cifar10", "cifar100"]),
        ("dataset = cifar10 , digits", ["cifar10", "digits"]),
        ("seed=1", [1]),
        ("seed=1?", [10, 11]),
        ("seed!=0", [1, 10, 11]),
    ],
)
def test_a_filter_keeps_the_values_that_fit_or_with_an_exclamation_mark_the_others(
    text: str, kept: list[AxisValue]
) -> None:
    (chosen,) = cell_filters([text], VALUES)
    assert [value for value in VALUES[chosen.axis] if chosen.keeps(value)] == kept


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("template", r"--filter template: give AXIS=VALUE"),
        ("template=", r"--filter template=: give AXIS=VALUE"),
        ("template=a,,c", r"give AXIS=VALUE"),
        ("=a", r"--filter =a: unknown axis ''"),
        (
            "templte=a",
            r"unknown axis 'templte'; did you mean 'template'\? \(known: model, variant, template, da",
        ),
        ("template=f", r"--filter template=f: no template is 'f' \(there are: base, a, c\)"),
        ("dataset=cifar10,cifr100", r"no dataset is 'cifr100'; did you mean 'cifar100'\?"),
        ("model!=VGG19", r"no model is 'VGG19'; did you mean 'vgg19'\?"),
        ("seed=2", r"no seed is '2'"),
    ],
)
def test_a_wrong_filter_gets_one_line_with_the_nearest_match(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as error:
        cell_filters([text], VALUES)
    assert "\n" not in str(error.value)
