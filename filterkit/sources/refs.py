"""Parse model references: ``vgg16``, ``model.onnx``, ``classic``, ``keras:VGG16?weights=none``."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from filterkit.errors import UnknownNameError, UsageError, closest
from filterkit.plugins.discovery import BROUGHT_BY

# At least two letters: a single one is a drive, as in C:\model.onnx.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_KERAS_FILE = (".keras", ".h5")
_TORCH_FILE = (".pt2", ".pt", ".pth")
_WEIGHTS_FILE = (".weights.h5", ".safetensors", ".npz")
_MODEL_FILE = (".onnx", *_KERAS_FILE, *_TORCH_FILE, *_WEIGHTS_FILE)
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def split_ref(
    text: str,
    schemes: Collection[str],
    known: Collection[str] = (),
    *,
    hint: Callable[[str, Iterable[str]], str] = closest,
) -> tuple[str, str]:
    """Split a model reference into the scheme of its source and the rest.

    Parameters
    ----------
    text
        ``scheme:rest``, optionally qualified by its plugin (``plugin/scheme:rest``); a scheme alone,
        optionally with options (``classic``, ``gabor?size=7``); the name of a known network; or a path.
        Schemes and known names take precedence over paths: write ``./vgg16`` for a file.
    schemes
        The schemes of all model sources.
    known
        Names of the networks in the zoo, short for ``zoo:NAME``.
    hint
        Makes a hint from an unknown name and the valid ones.

    Returns
    -------
    tuple
        Scheme, and the text for the ``fetch`` of that source, including options.

    Raises
    ------
    UnknownNameError, UsageError
        If the reference is none of these.
    """
    if not text.strip():
        raise UsageError("no model given", hint="try 'filterkit add vgg16', or an ONNX file")
    if "://" in text:
        raise UsageError(
            f"'{text}' is a URL, which filterkit does not open",
            hint="download the file first, then: filterkit add FILE.onnx",
        )
    if "*" in text and ":" not in text and not Path(text).exists():
        raise UsageError(f"'{text}' is a pattern; models are added one at a time", hint=_matching(text))
    head, colon, rest = text.partition(":")
    if colon and head.rpartition("/")[2] in schemes:
        return head, rest
    bare, mark, options = text.partition("?")
    if bare in schemes:
        return bare, mark + options
    if text in known:
        return "zoo", text
    match = _SCHEME.match(text)
    path = Path(text)
    if not match and path.name.lower().endswith((*_KERAS_FILE, *_TORCH_FILE, *_WEIGHTS_FILE)):
        _refuse_another_kind(path, text)
    if path.name.lower().endswith(_WEIGHTS_FILE) and not match:
        raise UsageError(f"'{text}' contains weights without a network", hint=f"filterkit add weights:{text}")
    if path.suffix.lower() in _KERAS_FILE and not match:
        either = (
            ""
            if path.suffix.lower() != ".h5"
            else f" (or, if it contains only weights: filterkit add weights:{text})"
        )
        raise UsageError(f"'{text}' is a Keras file", hint=f"filterkit add keras:{text}{either}")
    if path.suffix.lower() in _TORCH_FILE and not match:
        brings = "" if "torch" in schemes else f"install the plugin {BROUGHT_BY['source', 'torch']}, then: "
        raise UsageError(f"'{text}' is a PyTorch file", hint=f"{brings}filterkit add torch:{text}")
    if path.suffix.lower() == ".onnx" or (not match and ("/" in text or "\\" in text)) or path.exists():
        return "onnx", text
    if match:
        message = f"'{match[1]}' is not a model source"
        raise UnknownNameError(message, name=match[1], hint=hint(match[1], schemes))
    raise UnknownNameError(
        f"'{text}' is neither a known model, nor a model source, nor a file",
        name=bare,
        hint=hint(bare, [*known, *schemes]),
    )


def _refuse_another_kind(path: Path, text: str) -> None:
    """Raise UsageError if the content of a file, identified by its first bytes, contradicts its suffix."""
    from filterkit.graph.loading import file_kinds as kinds

    kind = kinds.file_kind(path) if path.is_file() else None
    own = {
        ".safetensors": (kinds.SAFETENSORS,),
        ".npz": (kinds.NUMPY, kinds.ZIP),
        ".h5": (kinds.HDF5,),
        ".keras": (kinds.KERAS, kinds.HDF5, kinds.ZIP),
    }.get(path.suffix.lower(), (kinds.PYTORCH, kinds.PICKLE, kinds.ZIP))
    if kind is None or kind.what in [each.what for each in own]:
        return
    hint = kind.hint
    for found, suffix in ((kinds.SAFETENSORS, ".safetensors"), (kinds.NUMPY, ".npz")):
        if kind.what == found.what:
            renamed = path.with_suffix(suffix)
            hint = f"rename it to {renamed.name}, then: filterkit add {shlex.quote(f'weights:{renamed}')}"
    raise UsageError(f"'{text}' is {kind.what}", hint=hint)


def _matching(pattern: str) -> str:
    """A hint how to add the first matching files, one at a time."""
    folder, name = Path(pattern).parent, Path(pattern).name
    try:
        named = folder.glob(name) if "**" not in name else ()
        found = sorted(str(path) for path in named if path.name.lower().endswith(_MODEL_FILE))
    except (OSError, ValueError, NotImplementedError):  # not a folder, or not a valid pattern
        found = []
    commands = [f"`filterkit add {shlex.quote(path)}`" for path in found[:2]]
    more = " and so on" * (len(found) > 2)
    return ", then ".join(commands) + more if found else "give one file: filterkit add FILE.onnx"


def split_options(text: str) -> tuple[str, dict[str, str]]:
    """Parse ``NAME?key=value&key=value``; percent-encoding (``%26`` for ``&``) is decoded.

    Returns
    -------
    tuple
        The decoded name and options.

    Raises
    ------
    UsageError
        If an option has no value or is given twice.
    """
    name, _, query = text.partition("?")
    options: dict[str, str] = {}
    for part in filter(None, query.split("&")):
        key, mark, value = part.partition("=")
        key = unquote(key)
        if not (mark and key):
            raise UsageError(f"option '{part}' has no value", hint=f"write {key or 'name'}=value")
        if key in options:
            raise UsageError(f"option '{key}' is given twice")
        options[key] = unquote(value)
    return unquote(name), options


def read_options(
    given: Mapping[str, str], readers: Mapping[str, Callable[[str], Any]], *, of: str
) -> dict[str, Any]:
    """Convert options to values.

    Parameters
    ----------
    given
        As `split_options` returns them.
    readers
        One function per valid option: ``str``, ``int``, ``float``, `boolean`, or any function that raises
        ValueError for an invalid value.
    of
        Owner of the options, for messages.

    Returns
    -------
    dict
        Values of the given options only.

    Raises
    ------
    UsageError
        If an option is unknown or a value is invalid.
    """
    values = {}
    for key, text in given.items():
        if key not in readers:
            raise UsageError(f"{of} has no option '{key}'", hint=closest(key, readers))
        try:
            values[key] = readers[key](text)
        except ValueError as error:
            raise UsageError(f"invalid option {key}={text} of {of}: {error}") from error
    return values


def boolean(text: str) -> bool:
    """Parse ``true`` or ``false`` (also yes/no, on/off, 1/0)."""
    word = text.lower()
    if word not in _TRUE + _FALSE:
        raise ValueError("must be true or false")
    return word in _TRUE
