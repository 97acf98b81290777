"""What models expect of a picture, by the names that Keras made known, and ``--preprocessing`` specs."""

from __future__ import annotations

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
"""The first four as ``keras.applications.imagenet_utils.preprocess_input`` computes them; ``unit`` and
``gray`` run from 0 to 1."""


def parse_preprocessing(spec: str) -> Preprocessing:
    """Read ``caffe``, ``torch:size=224/224`` or ``raw:channel_order=BGR,mean=104/117/123``.

    Raises
    ------
    UsageError
        An unknown name or option.
    """
    name, given = parse_spec(spec)
    if name not in PRESETS:
        raise UsageError(f"unknown preprocessing '{name}'", hint=closest(name, PRESETS))
    known = [option for option in options_of(Preprocessing) if option.name not in ("assumed", "layout")]
    if (size := given.get("size", "")).isdigit():
        given["size"] = f"{size}/{size}"
    return replace(PRESETS[name], **coerce_options(known, given, owner=f"preprocessing '{name}'"))
