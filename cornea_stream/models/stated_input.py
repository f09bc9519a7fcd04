"""What the user says of weights that do not say it themselves: their input, and the class."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from cornea_stream.errors import UsageError, check_text
from cornea_stream.models.pspnet import IMAGENET_MEAN, IMAGENET_STD, ModelSpec

Triple = tuple[float, float, float]

NORMALIZATIONS: dict[str, tuple[Triple, Triple]] = {
    "raw": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "imagenet": (IMAGENET_MEAN, IMAGENET_STD),
}
"""Mean and standard deviation by name, in 0–255 units."""


def check_stated(input_size: Any, normalization: object) -> None:
    """Raise UsageError if what is stated is of a wrong type."""
    if input_size is not None:
        parse_size(input_size)
    if normalization is not None:
        check_text("input_normalization", normalization, "raw, imagenet, or MEAN/STD as a text")


def apply_stated(
    spec: ModelSpec, input_size: int | str | tuple[int, int] | None, normalization: str | None
) -> ModelSpec:
    """Return `spec` with the stated input. Raises UsageError for values that make no sense."""
    if normalization is not None:
        mean, std = parse_normalization(normalization)
        spec = replace(spec, mean=mean, std=std)
    if input_size is not None:
        spec = replace(spec, image_size=parse_size(input_size))
    try:
        return ModelSpec.from_dict(spec.to_dict())
    except ValueError as err:
        raise UsageError(f"{err}: correct input_size or input_normalization") from err


def stated_in(text: str | None) -> dict[str, Any]:
    """Return what `Checkpoint.stated` says, as arguments of `load_checkpoint`."""
    parts = re.split(r"(?:^|, )(input_size|input_normalization|class_index)=", text or "")
    stated: dict[str, Any] = dict(zip(parts[1::2], parts[2::2], strict=True))
    if "input_size" in stated:  # a pair was written as Python does
        stated["input_size"] = stated["input_size"].strip("([])").replace(", ", "x")
    return stated


def parse_size(value: int | str | tuple[int, int], name: str = "input_size") -> tuple[int, int]:
    """Return (height, width) of 256, "256", (256, 448) or "256x448". Raises UsageError."""
    given: Any = value.lower().split("x") if isinstance(value, str) else value
    if not isinstance(given, (list, tuple)):
        given = [given]
    try:
        sides = [int(side) for side in given]
    except (TypeError, ValueError):
        sides = []
    if len(sides) not in (1, 2):
        raise UsageError(f"not an {name}: {value!r}: use a side as 512, or HEIGHTxWIDTH")
    return sides[0], sides[-1]


def parse_class(value: int | str) -> tuple[int, bool]:
    """Return the number of a class, and whether it has a sigmoid of its own: 2, "2", "2:sigmoid".

    Raises UsageError.
    """
    number, _, activation = str(value).partition(":")
    if not number.isdecimal() or activation not in ("", "softmax", "sigmoid"):
        raise UsageError(
            f"not a class_index: {value!r}: use a number from 0, or 2:sigmoid if the classes do "
            "not exclude each other"
        )
    return int(number), activation == "sigmoid"


def parse_normalization(text: str) -> tuple[Triple, Triple]:
    """Return mean and standard deviation in 0–255 units. Raises UsageError."""
    if text.lower() in NORMALIZATIONS:
        return NORMALIZATIONS[text.lower()]
    parts = [re.split(r"\s*,\s*", part.strip()) for part in text.split("/")]
    try:
        mean, std = ([float(number) for number in part] for part in parts)
        (mean_rgb, std_rgb) = (_rgb(mean), _rgb(std))
    except ValueError as err:
        raise UsageError(
            f"unknown input_normalization: {text!r}: use raw, imagenet, or MEAN/STD in 0-255 "
            "units, such as 127/128 or 124,116,104/58,57,57"
        ) from err
    if max(*mean_rgb, *std_rgb) <= 1:
        raise UsageError(
            f"input_normalization is in 0-1 units: {text!r}: multiply by 255, or use raw"
        )
    return mean_rgb, std_rgb


def _rgb(numbers: list[float]) -> Triple:
    if len(numbers) == 1:
        return numbers[0], numbers[0], numbers[0]
    red, green, blue = numbers
    return red, green, blue
