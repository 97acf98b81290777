"""Preprocessing presets, under the names used by Keras, and the parser of ``--preprocessing`` specs."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace

from filterkit.errors import UsageError, closest
from filterkit.plugins.options import coerce_options, options_of, parse_spec
from filterkit.records import Preprocessing

PRESETS: Mapping[str, Preprocessing] = {
    "caffe": Preprocessing("BGR", mean=(103.939, 116.779, 123.68)),
    "tf": Preprocessing("RGB", scale=1 / 127.5, mean=(1.0, 1.0, 1.0)),
    "torch": Preprocessing("RGB", scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    "raw": Preprocessing("RGB"),
    "unit": Preprocessing("RGB", scale=1 / 255),
    "gray": Preprocessing("GRAY", scale=1 / 255),
}
"""The first four match ``keras.applications.imagenet_utils.preprocess_input``; ``unit`` and ``gray`` scale to
[0, 1]."""


NOT_OPTIONS = ("assumed", "bands", "stated")
"""Fields of `Preprocessing` that are derived and cannot be set as options."""


def parse_preprocessing(spec: str) -> Preprocessing:
    """Parse ``caffe``, ``torch:size=224x200``, ``raw:channels=BGR,mean=104/117/123`` and the like.

    ``channels`` is an alias of ``channel_order``.

    Raises
    ------
    UsageError
        If a name or option is unknown, or a value is invalid.
    """
    name, given = parse_spec(spec)
    if name not in PRESETS:
        raise UsageError(f"unknown preprocessing '{name}'", hint=_suggestion(spec, name))
    owner = f"preprocessing '{name}'"
    if "channel_order" in given:
        if "channels" in given:
            raise UsageError(f"'{spec}' sets 'channels' twice", hint="channel_order is an alias of channels")
        given["channels"] = given.pop("channel_order")
    known = [
        replace(option, name="channels") if option.name == "channel_order" else option
        for option in options_of(Preprocessing)
        if option.name not in NOT_OPTIONS
    ]
    if "channels" in given:
        given["channels"] = given["channels"].upper()
    size = given.pop("size", "none")
    values = coerce_options(known, given, owner=owner)
    if "channels" in values:
        values["channel_order"] = values.pop("channels")
    if size.strip().lower() != "none":
        values["size"] = _size(size, owner)
    for option in ("scale", "mean", "std"):
        numbers = values.get(option, ())
        for number in numbers if isinstance(numbers, tuple) else (numbers,):
            if not math.isfinite(number) or (option == "std" and number == 0):
                raise UsageError(
                    f"option '{option}' of {owner} cannot be '{given[option]}'",
                    hint="it must be a finite number" + (" other than 0" if option == "std" else ""),
                )
    # A preset states the range of pixels; only gray states the channels, the others suit any number of them.
    stated = sorted({*values, "scale", *(("channel_order",) if name == "gray" else ())})
    return replace(PRESETS[name], stated=tuple(stated), **values)


def _suggestion(spec: str, name: str) -> str:
    """A suggestion for a spec with an unknown name, e.g. options separated by something other than ``:``."""
    written = re.fullmatch(rf"({'|'.join(PRESETS)})[^\w=]+(\w+=.+)", spec, re.IGNORECASE | re.DOTALL)
    if written:
        options = ",".join(re.split(r"[;&,\s]+", written[2]))
        return f"write {written[1].lower()}:{options}"
    return closest(name, PRESETS)


def _size(text: str, owner: str) -> tuple[int, int]:
    """Height and width from ``224``, ``224x200`` or ``224/200``."""
    from filterkit.runtime.pictures import LARGEST_SIZE

    numbers = re.fullmatch(r"\s*([0-9]{1,9})\s*(?:[xX×/]\s*([0-9]{1,9})\s*)?", text)
    height, width = (int(numbers[1]), int(numbers[2] or numbers[1])) if numbers else (0, 0)
    if min(height, width) < 1 or height * width > LARGEST_SIZE:
        raise UsageError(
            f"option 'size' of {owner} cannot be '{text}'",
            hint=f"give height/width of at least 1 pixel each, e.g. 224, 224x200 or 224/200; at most "
            f"{LARGEST_SIZE:,} pixels in total",
        )
    return height, width
