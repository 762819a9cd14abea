"""Augmentation of the training images as batched tensor operations on the training device.

All random draws of an epoch are made first, on the CPU; applying them to a batch needs no random numbers and never
waits for the device. Images come in as uint8 [B, H, W, C] and go out as float32 [B, C, H, W], channels last in memory.
"""
