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

from filterkit.errors import AddressError, NotFoundError, UsageError

GRAMMAR = "an address is model/layer/filters/kernels, e.g. vgg16/block1_conv1/0:6 or 'vgg16/block3_*/7'"
SELECTION_GRAMMAR = "filters and kernels take 3, 0:6, ::8, 1,5,9 or *"

_DOWNLOAD = "download it first, and give the file or what was made of it"
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/{1,3}(?=[^/])")
"""Two letters at least before the colon: one alone is a drive."""
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
        Numbers and slices, in the order they were written.
    """

    parts: tuple[int | slice, ...]

    def indices(self, count: int, what: str = "filters") -> list[int]:
        """The positions selected among `count`, in the order written, each once.

        A slice reaches as far as there is something, as in Python.

        Raises
        ------
        NotFoundError
            Where a single number lies outside ``-count .. count - 1``.
        """
        chosen: dict[int, None] = {}
        for part in self.parts:
            if isinstance(part, slice):
                chosen.update(dict.fromkeys(range(count)[part]))
            elif -count <= part < count:
                chosen[part % count] = None
            else:
                reach = f"they are numbered 0 to {count - 1}" if count else None
                raise NotFoundError(f"there is no {part} among {count} {what}", hint=reach)
        return list(chosen)

    def __str__(self) -> str:
        return ",".join(_part_text(part) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Address:
    """What an address names. None stands for all, left unsaid.

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
    """Read an address; ``str`` of the result is an address for the same thing.

    Raises
    ------
    UsageError
        Where `text` does not follow the grammar.
    """
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
        raise AddressError(f"'{text}' is no address: {wrong}", written=text, meant=meant, hint=hint)
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
        selections = [*map(_other_marks, parts[2:])]
        if selections == parts[2:] or not all(map(_reads, selections)):
            raise
        whole = "/".join([*parts[:2], *selections])
        hint = f"did you mean '{whole}'? {SELECTION_GRAMMAR}"
        raise AddressError(error.message, written=text, meant=[whole], hint=hint) from None


def parse_selection(text: str) -> Selection:
    """Read ``3``, ``0:6``, ``::8``, ``1,5,9`` or ``*``.

    Raises
    ------
    UsageError
        Where `text` is none of these.
    """
    return Selection(tuple(_parse_part(part.strip(), text) for part in text.split(",")))


def refuse_url(text: str, expected: str, *, hint: str | None = None) -> None:
    """Raise UsageError where `text` is a URL; one slash may be missing, as paths lose it."""
    url = _URL.match(text)
    if url:
        scheme, rest = url[1], text[url.end() :]
        local = scheme.lower() == "file"
        whole = f"{scheme}:{'///' if local else '//'}{rest}"
        raise UsageError(
            f"'{whole}' is a URL, which filterkit does not open; {expected}",
            hint=f"give the path alone: /{rest}" if local else hint or _DOWNLOAD,
        )


def refuse_file(text: str) -> None:
    """Raise AddressError where `text`, which is no address, is a file, or goes on behind one of a model."""
    above = (str(path) for path in Path(text).parents[:3] if path.suffix.lower() in _MODELS)
    file = next(filter(_is_file, (text, *above)), None)
    if file is None:
        return
    suffix, name = Path(file).suffix.lower(), shlex.quote(file)
    if suffix in _MODELS:
        hint = f"`filterkit add {name}` makes a model of it; `filterkit models` lists those that there are"
    elif suffix in _PICTURES:
        hint = f"an address goes before pictures, as in `filterkit maps vgg16/block1_conv1 {name}`"
    else:
        hint = "quote patterns, e.g. '*' or 'vgg16/*': a shell puts names of files in their place"
    raise AddressError(f"'{file}' is a file, and an address is expected here", written=text, hint=hint)


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # longer than a name may be, or with a NUL
        return False


def matching(pattern: str, names: Sequence[str]) -> list[str]:
    """Those of `names` that `pattern` means: itself where it is one of them, else what it matches."""
    if pattern in names:
        return [pattern]
    return [name for name in names if fnmatchcase(name, pattern)]


def _without_empty_parts(parts: Sequence[str]) -> list[str]:
    """The address of the other parts, if there were empty ones, or a path's first, and it is one."""
    full = [*dropwhile(lambda part: part in (".", ".."), (part for part in parts if part.strip()))]
    if not 0 < len(full) <= 4 or len(full) == len(parts):
        return []
    try:
        return [str(parse_address("/".join(full)))]
    except UsageError:
        return []


def _other_marks(text: str) -> str:
    """A selection as it is written here, of ``0..6``, ``[1; 3]``, ``all`` and the like."""
    text = re.sub(r"\s*(?:\.{2,3}|…|(?<=\d)[-–](?=\d))\s*", ":", text.strip(" []()"))
    return "*" if text.lower() in ("all", ":") else re.sub(r"\s*[,;|&+]\s*|\s+", ",", text).strip(",")


def _reads(text: str) -> bool:
    try:
        return bool(parse_selection(text).parts)
    except UsageError:
        return False


def _parse_part(part: str, whole: str) -> int | slice:
    if part == "*":
        return slice(None)
    match = _PART.fullmatch(part)
    if match is None:
        raise UsageError(f"'{whole}' selects nothing: cannot read '{part}'", hint=SELECTION_GRAMMAR)
    if match[1]:
        return int(match[1])
    start, stop, step = (int(number) if number else None for number in match.groups()[1:])
    if step == 0:
        raise UsageError(f"'{whole}' selects nothing: a step of 0 goes nowhere", hint=SELECTION_GRAMMAR)
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
