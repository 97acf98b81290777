"""The preprocessing that a model's input expects: checked against the graph or assumed, stored, described."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, Literal

from filterkit.errors import UsageError
from filterkit.graph.layers.picture_input import InputInfo, fixed_size
from filterkit.graph.loading.names import shown
from filterkit.records import Preprocessing

FEW = 32
"""Integers between black and white; with fewer, rounding leaves hardly anything of a picture."""
PLACEHOLDER = 64
"""Longest side, in pixels, taken for a placeholder: models of any size are often exported with a dummy."""


def expected(stated: Preprocessing | None, found: InputInfo | None) -> Preprocessing | None:
    """The preprocessing for the input `found`; None if it takes no pictures.

    Parameters
    ----------
    stated
        What the source or the user says. Users need not know a network's layout, or that it has other
        channels than the three of a preset: fields that are not marked as stated are adapted to the graph.
    found
        The input of the graph, if it has one that convolutions read.

    Raises
    ------
    UsageError
        A field that is marked as stated contradicts the graph.
    """
    if stated is None:
        return _assumed(found)
    if found is None or found.layout is None:
        return stated
    fitting = replace(stated, layout=_layout(found))
    return _with_channels(fitting, found) if stated.stated else fitting


def _with_channels(stated: Preprocessing, found: InputInfo) -> Preprocessing:
    """`stated` for as many channels as the input has."""
    channels = found.channels
    if stated.channel_order == "BANDS":
        if channels is None:
            raise UsageError(f"the number of channels of {_words(found)} is unknown")
        stated = replace(stated, bands=channels)
    elif channels is not None and channels != len(stated.channels):
        if "channel_order" in stated.stated:
            raise UsageError(
                f"{_words(found)} has {channels} channel{'s' * (channels != 1)}; "
                f"{stated.channel_order} has {len(stated.channels)}",
                hint="state what they are: channels=GRAY, RGB, BGR, RGBA or BANDS",
            )
        order: Literal["GRAY", "BANDS"] = "GRAY" if channels == 1 else "BANDS"
        stated = replace(stated, channel_order=order, bands=0 if channels == 1 else channels)
    span = 255 * stated.scale / min(map(abs, stated.std), default=1)
    if _is_whole(found) and abs(span) < FEW:
        raise UsageError(
            f"{_words(found)} takes integers, and black to white would span only {abs(span):g} of them",
            hint="--preprocessing raw passes pixels on as they are",
        )
    return replace(
        stated,
        mean=_per_channel("mean", stated.mean, stated, found),
        std=_per_channel("std", stated.std, stated, found),
    )


def _per_channel(
    name: str, numbers: tuple[float, ...], stated: Preprocessing, found: InputInfo
) -> tuple[float, ...]:
    count = len(stated.channels)
    if len(numbers) in (0, count):
        return numbers
    if len(set(numbers)) == 1:
        return numbers[:1] * count
    raise UsageError(
        f"the preprocessing has {len(numbers)} values of {name}; "
        f"{_words(found)} has {count} channel{'s' * (count != 1)}",
        hint=f"state {name} with {count} value{'s' * (count != 1)}, or another preprocessing",
    )


def _words(found: InputInfo) -> str:
    axes = " × ".join("?" if size is None else shown(str(size)) for size in found.shape or ())
    return f"input '{shown(found.name)}' ({axes or 'of any shape'}, {found.layout})"


def _is_whole(found: InputInfo) -> bool:
    return found.dtype.startswith(("int", "uint"))


def _layout(found: InputInfo) -> Literal["NCHW", "NHWC"]:
    return "NHWC" if found.layout == "NHWC" else "NCHW"


def _assumed(found: InputInfo | None) -> Preprocessing | None:
    """The preprocessing assumed where none is known: pixels from 0 to 1, or integers."""
    if found is None or found.layout is None or found.channels is None:
        return None
    orders: dict[int, Literal["GRAY", "RGB"]] = {1: "GRAY", 3: "RGB"}
    height, width = fixed_size(found.shape, found.layout)
    return Preprocessing(
        channel_order=orders.get(found.channels, "BANDS"),
        layout=_layout(found),
        size=(height, width) if height and width else None,
        scale=1.0 if _is_whole(found) else 1 / 255,
        mean=(128.0,) * found.channels if found.dtype == "int8" else (),
        assumed=True,
        bands=0 if found.channels in orders else found.channels,
    )


def preprocessing_json(preprocessing: Preprocessing | None) -> dict[str, Any] | None:
    """`Preprocessing` as the catalog stores it: its fields by name, without those that few models need."""
    if preprocessing is None:
        return None
    rare = {"input": None, "bands": 0, "stated": ()}
    fields = asdict(preprocessing).items()
    return {name: value for name, value in fields if name not in rare or value != rare[name]}


def preprocessing_from(stored: Mapping[str, Any] | None) -> Preprocessing | None:
    """Inverse of `preprocessing_json`."""
    if stored is None:
        return None
    tuples = {name: tuple(value) for name, value in stored.items() if isinstance(value, list)}
    return Preprocessing(**{**stored, **tuples})


def range_of(preprocessing: Mapping[str, Any]) -> str:
    """The range of pixels that an assumed preprocessing produces, in words."""
    if preprocessing["scale"] != 1:
        return "pixels from 0 to 1"
    return "pixels from -128 to 127" if preprocessing["mean"] else "pixels from 0 to 255"


def has_placeholder_size(model: Mapping[str, Any]) -> bool:
    """Whether pictures are resized to a small size that only the file states; `model` is its row."""
    preprocessing = model["preprocessing"]
    if preprocessing is None or "size" in preprocessing.get("stated", ()):
        return False
    if preprocessing.get("size") is not None and not preprocessing.get("assumed"):
        return False
    height, width = fixed_size(model["input_shape"], model["input_layout"])
    return 0 < max(height or 0, width or 0) <= PLACEHOLDER and bool(height and width)


def takes_no_pictures(model: Mapping[str, Any]) -> str:
    """The message for a model whose input is not a picture, with its shape: ``1 × 257 × ? × 2``."""
    shape = " × ".join("?" if each is None else str(each) for each in model["input_shape"] or ())
    return f"{model['name']} takes no pictures: its input is {shape or 'unknown'}"
