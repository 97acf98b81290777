"""The address grammar: ``model/layer/filters/kernels``, e.g. ``vgg16/block1_conv1/0:6``.

Model and layer take globs (``*``, ``?``, ``[abc]``, case-sensitive, as in `fnmatch.fnmatchcase`). Filters and
kernels take ``3``, ``0:6``, ``::8``, ``1,5,9`` and ``*``; negative numbers count from the end, as in Python.
A model's name must fit into an address, so its rules are here as well.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import dropwhile
from pathlib import Path

from filterkit.errors import AddressError, NotFoundError, UsageError, check_text

GRAMMAR = "an address is model/layer/filters/kernels, e.g. vgg16/block1_conv1/0:6 or 'vgg16/block3_*/7'"
SELECTION_GRAMMAR = "filters and kernels take 3, 0:6, ::8, 1,5,9 or *"

_DOWNLOAD = "download it first, and give the name of the file or of the model added from it"
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/{1,3}(?=[^/])")
"""At least two letters before the colon: a single one is a drive on Windows."""
_MODELS = (".onnx", ".ort", ".keras", ".h5", ".pt", ".pt2", ".pth", ".safetensors", ".npz")
_PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp", ".gif")

_NUMBER = r"[+-]?[0-9]{1,9}"
_PART = re.compile(rf"({_NUMBER})|({_NUMBER})?:({_NUMBER})?(?::({_NUMBER})?)?")

MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
LONGEST_NAME = 100
MODEL_SUFFIXES = re.compile(r"(\.weights)?\.(onnx|ort|keras|h5|npz|safetensors|pb|pt2?|pth)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which filters of a layer, or which kernels of a filter.

    Attributes
    ----------
    parts
        Numbers and slices, in the order written.
    """

    parts: tuple[int | slice, ...]

    def indices(self, count: int, what: str = "filters") -> list[int]:
        """The selected positions among `count`, in the order written and without repetition.

        A slice may extend beyond the end, as in Python.

        Raises
        ------
        NotFoundError
            A single number is outside ``-count .. count - 1``.
        """
        chosen: dict[int, None] = {}
        for part in self.parts:
            if isinstance(part, slice):
                chosen.update(dict.fromkeys(range(count)[part]))
            elif -count <= part < count:
                chosen[part % count] = None
            else:
                reach = f"they are numbered 0 to {count - 1}" if count else None
                raise NotFoundError(f"{part} is out of range for {count} {what}", hint=reach)
        return list(chosen)

    def __str__(self) -> str:
        return ",".join(_part_text(part) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed address. None stands for a part that is left out, which means all.

    Attributes
    ----------
    model, layer
        A name or a glob.
    filters, kernels
        Selections within each layer and each filter.
    """

    model: str
    layer: str | None = None
    filters: Selection | None = None
    kernels: Selection | None = None

    def __str__(self) -> str:
        parts = (self.model, self.layer, self.filters, self.kernels)
        return "/".join(str(part) for part in parts if part is not None)


def parse_address(text: str) -> Address:
    """Parse an address; ``str`` of the result is an equivalent address.

    Raises
    ------
    UsageError
        `text` is not text, or does not follow the grammar.
    """
    check_text("an address", text, hint=GRAMMAR)
    parts = text.strip().split("/")
    relative = len(parts) > 1 and parts[0] in (".", "..")
    if relative or len(parts) > 4 or not all(parts):
        refuse_url(text, "an address is expected here")
        refuse_file(text)
        wrong = "it has more than four parts" if len(parts) > 4 else "it has an empty part"
        if relative:
            wrong = f"it begins with '{parts[0]}'"
        meant = _without_empty_parts(parts)
        hint = f"did you mean '{meant[0]}'? {GRAMMAR}" if meant else GRAMMAR
        raise AddressError(f"'{text}' is not an address: {wrong}", written=text, meant=meant, hint=hint)
    model, layer, filters, kernels = [*parts, None, None, None][:4]
    assert model is not None
    try:
        return Address(
            model,
            layer,
            parse_selection(filters) if filters else None,
            parse_selection(kernels) if kernels else None,
        )
    except UsageError as error:
        refuse_file(text)
        selections = [*map(_with_standard_marks, parts[2:])]
        if selections == parts[2:] or not all(map(_is_valid, selections)):
            raise
        whole = "/".join([*parts[:2], *selections])
        hint = f"did you mean '{whole}'? {SELECTION_GRAMMAR}"
        raise AddressError(error.message, written=text, meant=[whole], hint=hint) from None


def parse_selection(text: str) -> Selection:
    """Parse ``3``, ``0:6``, ``::8``, ``1,5,9`` or ``*``.

    Raises
    ------
    UsageError
        `text` is none of these.
    """
    return Selection(tuple(_parse_part(part.strip(), text) for part in text.split(",")))


def refuse_url(text: str, expected: str, *, hint: str | None = None) -> None:
    """Raise UsageError if `text` is a URL; one slash may be missing, as `pathlib` removes it."""
    url = _URL.match(text)
    if url:
        scheme, rest = url[1], text[url.end() :]
        local = scheme.lower() == "file"
        whole = f"{scheme}:{'///' if local else '//'}{rest}"
        raise UsageError(
            f"'{whole}' is a URL, which filterkit does not open; {expected}",
            hint=f"give just the path: /{rest}" if local else hint or _DOWNLOAD,
        )


def refuse_file(text: str) -> None:
    """Raise AddressError if `text`, which is not an address, is a file, or a path below a model file."""
    above = (str(path) for path in Path(text).parents[:3] if path.suffix.lower() in _MODELS)
    file = next(filter(_is_file, (text, *above)), None)
    if file is None:
        return
    suffix, name = Path(file).suffix.lower(), shlex.quote(file)
    if suffix in _MODELS:
        hint = f"`filterkit add {name}` adds it to the catalog; `filterkit models` lists the models there"
    elif suffix in _PICTURES:
        hint = f"the address goes before the pictures, as in `filterkit maps vgg16/block1_conv1 {name}`"
    else:
        hint = "quote patterns, e.g. '*' or 'vgg16/*', or the shell expands them to file names"
    raise AddressError(f"'{file}' is a file, but an address is expected here", written=text, hint=hint)


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # too long for a file name, or contains a NUL
        return False


def matching(pattern: str, names: Sequence[str]) -> list[str]:
    """Those of `names` that `pattern` selects: itself if it is one of them, else those it matches."""
    if pattern in names:
        return [pattern]
    return [name for name in names if fnmatchcase(name, pattern)]


def _without_empty_parts(parts: Sequence[str]) -> list[str]:
    """The address without empty parts and leading dots, if there were any and the rest is an address."""
    full = [*dropwhile(lambda part: part in (".", ".."), (part for part in parts if part.strip()))]
    if not 0 < len(full) <= 4 or len(full) == len(parts):
        return []
    try:
        return [str(parse_address("/".join(full)))]
    except UsageError:
        return []


def _with_standard_marks(text: str) -> str:
    """Translate selections in other notations, such as ``0..6``, ``[1; 3]`` and ``all``."""
    text = re.sub(r"\s*(?:\.{2,3}|…|(?<=\d)[-–](?=\d))\s*", ":", text.strip(" []()"))
    return "*" if text.lower() in ("all", ":") else re.sub(r"\s*[,;|&+]\s*|\s+", ",", text).strip(",")


def _is_valid(text: str) -> bool:
    try:
        return bool(parse_selection(text).parts)
    except UsageError:
        return False


def _parse_part(part: str, whole: str) -> int | slice:
    if part == "*":
        return slice(None)
    match = _PART.fullmatch(part)
    if match is None:
        raise UsageError(f"'{whole}' is not a selection: cannot parse '{part}'", hint=SELECTION_GRAMMAR)
    if match[1]:
        return int(match[1])
    start, stop, step = (int(number) if number else None for number in match.groups()[1:])
    if step == 0:
        raise UsageError(f"'{whole}' is not a selection: the step must not be 0", hint=SELECTION_GRAMMAR)
    return slice(start, stop, step)


def _part_text(part: int | slice) -> str:
    if isinstance(part, int):
        return str(part)
    if part == slice(None):
        return "*"
    start, stop, step = (
        "" if number is None else str(number) for number in (part.start, part.stop, part.step)
    )
    return f"{start}:{stop}:{step}" if step else f"{start}:{stop}"


def check_name(name: str) -> str:
    """Return `name` if it is a valid name for a model.

    Raises
    ------
    UsageError
        It could not be part of an address.
    """
    if not MODEL_NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise UsageError(
            f"a model cannot be named '{name}'",
            hint=f"use at most {LONGEST_NAME} letters, digits, '.', '_' and '-', a letter or digit first",
        )
    return name


def name_from_ref(ref: str) -> str:
    """Return a model's default name: ``vgg16`` for ``zoo:vgg16``, ``net`` for ``some/net.onnx``.

    Raises
    ------
    UsageError
        No part of `ref` can be a name.
    """
    path = re.split(r"[?#]", ref)[0].rstrip("/\\:")
    last = re.split(r"[/\\:!]", path)[-1]
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", MODEL_SUFFIXES.sub("", last)).strip("._-")[:LONGEST_NAME]
    if not name:
        raise UsageError(f"'{ref}' suggests no name for the model", hint="give one with --name")
    return name
