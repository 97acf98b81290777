"""Names of models: what is allowed, and what a reference suggests."""

from __future__ import annotations

import re

from filterkit.errors import UsageError

ALLOWED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
LONGEST = 100
SUFFIXES = re.compile(r"(\.weights)?\.(onnx|ort|keras|h5|npz|safetensors|pb|pt2?|pth)$", re.IGNORECASE)


def check_name(name: str) -> str:
    """`name`, if a model can be called so.

    Raises
    ------
    UsageError
        Where it could not stand in an address.
    """
    if not ALLOWED.fullmatch(name) or len(name) > LONGEST:
        raise UsageError(
            f"a model cannot be named '{name}'",
            hint=f"letters, digits, '.', '_' and '-', at most {LONGEST}, beginning with a letter or digit",
        )
    return name


def name_from_ref(ref: str) -> str:
    """The name a model gets where none is given: ``vgg16`` for ``zoo:vgg16``, ``net`` for ``some/net.onnx``.

    Raises
    ------
    UsageError
        Where nothing of `ref` can be a name.
    """
    what = re.split(r"[?#]", ref)[0].rstrip("/\\:")
    last = re.split(r"[/\\:!]", what)[-1]
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", SUFFIXES.sub("", last)).strip("._-")[:LONGEST]
    if not name:
        raise UsageError(f"no name can be made of '{ref}'", hint="give one with --name")
    return name
