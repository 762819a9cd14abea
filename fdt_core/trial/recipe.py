"""The training recipe: every setting that affects what a network learns, as one frozen value."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from fdt_core.errors import UsageError, unknown_name
from fdt_core.files.yaml_file import WrongValue, YamlFile, load_yaml
from fdt_core.trial.identity import ADDED

PositiveInt = Annotated[int, Field(ge=1)]
NonNegativeInt = Annotated[int, Field(ge=0)]
NonNegativeFloat = Annotated[float, Field(ge=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Probability = Annotated[float, Field(ge=0, le=1)]
BetaParameter = Annotated[float, Field(ge=0, le=1000)]


@dataclass(frozen=True, kw_only=True, config=ConfigDict(strict=True, extra="forbid", allow_inf_nan=False))
class Recipe:
    """How a trial is trained. Each field is a key of a sweep file's `recipe` and a column of the results.

    Raises pydantic's ValidationError (a ValueError) for a value of the wrong type or out of range. The defaults are
    those of the recipe `paper` for CIFAR.
    """

    epochs: PositiveInt = 200
    batch_size: PositiveInt = 128
    learning_rate: PositiveFloat = 0.1
    """The peak of the schedule."""
    optimiser: Literal["sgd", "adamw"] = field(default="sgd", metadata=ADDED)
    """adamw: Loshchilov and Hutter, 2019; the weight decay is multiplied by the learning rate, as in torch."""
    momentum: Fraction = 0.9
    """sgd: momentum, and whether it is Nesterov's."""
    nesterov: bool = False
    betas: tuple[Fraction, Fraction] = field(default=(0.9, 0.999), metadata=ADDED)
    """adamw: decay of the averages of the gradient and of its square."""
    eps: PositiveFloat = field(default=1e-8, metadata=ADDED)
    """adamw: added to the denominator."""
    weight_decay: NonNegativeFloat = 1e-5
    decay_norm_and_bias: bool = True
    """Whether weight decay also applies to BatchNorm parameters and biases."""
    schedule: Literal["constant", "multi_step", "cosine", "one_cycle"] = "multi_step"
    milestones: tuple[PositiveInt, ...] = (60, 120, 160)
    """multi_step: epochs after which the learning rate is multiplied by `gamma`."""
    gamma: Annotated[float, Field(gt=0, le=1)] = 0.2
    warmup_epochs: NonNegativeInt = 0
    """Linear warm-up from 0 over this many epochs (not for one_cycle, which has a warm-up already)."""
    one_cycle_rise: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """one_cycle: the fraction of the training in which the learning rate rises to its peak."""
    label_smoothing: Fraction = 0.0
    gradient_clip: NonNegativeFloat = 0.0
    """Maximum global L2 norm of the gradient; 0 = no clipping."""
    ema: Fraction = field(default=0.0, metadata=ADDED)
    """Decay per step of a moving average of the weights, which is what is evaluated and kept; 0 = no average."""
    crop: Literal["pad", "random_resized"] = field(default="pad", metadata=ADDED)
    """random_resized: scale a random part of each image up to the size of the image (Szegedy et al., 2015)."""
    crop_padding: NonNegativeInt = 4
    """pad: pad each side by this many black pixels, then crop at random to the original size; 0 = no crop."""
    crop_scale: tuple[float, float] = field(default=(0.08, 1.0), metadata=ADDED)
    """random_resized: range of the part's share of the image's area."""
    crop_ratio: tuple[float, float] = field(default=(3 / 4, 4 / 3), metadata=ADDED)
    """random_resized: range of the part's width / height."""
    flip: bool = True
    """Flip each image left to right with a probability of one half."""
    cutout: NonNegativeInt = 16
    """Side in pixels of the square hole cut at a random position in each image; 0 = none (DeVries and Taylor, 2017)."""
    random_erasing: Probability = field(default=0.0, metadata=ADDED)
    """Probability that a box of random size and shape is erased from an image (Zhong et al., 2020)."""
    mixup: BetaParameter = field(default=0.0, metadata=ADDED)
    """Mix the images and labels of each batch with weights from Beta(mixup, mixup); 0 = off (Zhang et al., 2018)."""
    cutmix: BetaParameter = field(default=0.0, metadata=ADDED)
    """Replace a box whose share of the image comes from Beta(cutmix, cutmix); 0 = off (Yun et al., 2019).

    With `mixup` and `cutmix`, one of the two is drawn for each batch."""
    precision: Literal["fp32", "tf32", "bf16"] = "fp32"
    """Convolutions and linear layers use float32, TensorFloat-32 (CUDA only) or bfloat16; weights are float32."""
    channels_last: bool = True
    compile: bool = False
    cuda_graph: bool = field(default=False, metadata=ADDED)
    """On CUDA: launch the steps on whole batches as one graph each; their learning rate is rounded to float32."""
    deterministic: bool = False
    """On CUDA: use only deterministic kernels, so that a resumed trial is bit-identical. On the CPU it always is."""
    evaluate_every: PositiveInt = 1
    """Evaluate every this many epochs, and always after the last."""
    evaluate_at: tuple[PositiveInt, ...] = field(default=(), metadata=ADDED)
    """Evaluate after these epochs, too: those at which tuning compares candidates."""
    validation: Fraction = 0.0
    """Fraction of the training images held out (seeded) and evaluated instead of the test set during training."""
    evaluate_test: bool = field(default=True, metadata=ADDED)
    """False: the test images are never evaluated, as in tuning; only held-out images are."""

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        if list(self.milestones) != sorted(set(self.milestones)):
            raise ValueError("milestones must rise strictly")
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0")
        smallest, largest = self.crop_scale
        if not 0 < smallest <= largest <= 1:
            raise ValueError("crop_scale must be two shares of the image above 0 and at most 1, the smaller one first")
        narrowest, widest = self.crop_ratio
        if not 0 < narrowest <= widest:
            raise ValueError("crop_ratio must be two numbers above 0, the smaller one first")
        if list(self.evaluate_at) != sorted(set(self.evaluate_at)):
            raise ValueError("evaluate_at must rise strictly")
        if not self.evaluate_test and not self.validation:
            raise ValueError("without evaluate_test, validation must be above 0: nothing would be evaluated")
        return self


def held_out_images(images: int, validation: float) -> int:
    """Number of training images held out for validation: at least one if `validation` is above 0.

    Raises:
        UsageError: if no image would be left to train on.
    """
    held_out = max(1, round(images * validation)) if validation else 0
    if held_out >= images:
        raise UsageError(
            f"validation {validation:g} holds out {held_out:,} of {images:,} training images: none is left to train on"
        )
    return held_out


DEFAULT_RECIPE = "paper"
_FOLDER = Path(__file__).parent / "recipes"


@dataclass(frozen=True, kw_only=True, config=ConfigDict(strict=True, extra="forbid"))
class _RecipeFile:
    """A file in `recipes`: the fields of the recipe, and those that differ for some data sets."""

    recipe: dict[str, Any]
    datasets: dict[str, dict[str, Any]] = field(default_factory=dict)


def recipe_names() -> tuple[str, ...]:
    """Names of the built-in recipes."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def recipe_for(recipe: str | Mapping[str, Any], dataset: str) -> Recipe:
    """The recipe for training on the data set `dataset`.

    Args:
        recipe: name of a built-in recipe; or fields that override the one that the key `base` names (default: `paper`).
        dataset: name of the data set; built-in recipes have different fields for some data sets.

    Raises:
        WrongValue: (a UsageError) for an unknown recipe, an unknown field or an invalid value; the message names the
            key and the valid values.
    """
    fields = {"base": recipe} if isinstance(recipe, str) else dict(recipe)
    base = _load(fields.pop("base", DEFAULT_RECIPE))
    merged = {**base.recipe, **base.datasets.get(dataset, {}), **fields}
    return YamlFile(path=Path("recipe"), data=merged, lines={}).parse(Recipe)


@functools.cache
def _load(name: object) -> _RecipeFile:
    if not isinstance(name, str):
        problem = f"base must be the name of a recipe, not {name!r}"
        raise WrongValue(f"recipe: {problem}", ("base",), problem)
    if name not in recipe_names():
        problem = str(unknown_name("recipe", name, recipe_names()))
        raise WrongValue(problem, ("base",), problem)
    return load_yaml(_FOLDER / f"{name}.yaml").parse(_RecipeFile)
