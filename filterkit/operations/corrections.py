"""Hints that show the corrected command line: names completed, arguments reordered, quotes added.

A shell splits names at spaces and expands a bare ``*`` to file names.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

from filterkit.address import parse_address
from filterkit.errors import AddressError, FilterkitError, NotFoundError, UsageError, shell_quoted

_EXTRAS = re.compile(r"got unexpected extra arguments?(?:\(s\))? \((.*)\)", re.IGNORECASE | re.DOTALL)

ADDRESSED = frozenset(
    (
        *("layers", "filters", "stats", "similar", "connections", "duplicates"),
        *("show", "maps", "ablate", "convolve", "export"),
    )
)
"""Commands whose first argument is an address."""

OF_ONE = frozenset(("add", "measure", "remove"))
"""Commands that take one model and nothing else."""

WRITING = frozenset(("show", "stats", "export"))
"""Commands that write a file for an address."""

LISTED = "--invariant"
"""The option that takes a comma-separated list."""


MOST_WORDS = 20
"""Limit on the words that are examined."""


@contextmanager
def hint_argument_order(
    command: str, address: str, pictures: Iterable[Any], resolve: Callable[[str], object]
) -> Iterator[None]:
    """Add the corrected command to the error about an address, if a picture was given before it.

    Parameters
    ----------
    command
        The name of the command.
    pictures
        The arguments after the address; only paths are examined, and no iterators.
    resolve
        Raises FilterkitError unless its argument is an address in the catalog.
    """
    try:
        yield
    except (UsageError, NotFoundError) as error:
        if not isinstance(address, str):
            raise
        words = [address, *_paths(pictures)]
        meant = _swapped(words, resolve) or _split_address(words, resolve)
        if meant is None:
            raise
        message = f"'{address}' is not an address; the address goes before the pictures"
        if meant[0].startswith((f"{address} ", f"{address}_")):
            message = error.message
        hint = shlex.join(["filterkit", command, *meant])
        raise AddressError(message, written=address, hint=f"`{hint}`") from None
    _check_for_a_layer(command, address, pictures, resolve)


def _check_for_a_layer(
    command: str, address: str, pictures: Iterable[Any], resolve: Callable[[str], object]
) -> None:
    """Raise AddressError if the first picture is the name of a layer of the model before it."""
    first, *rest = [*_paths(pictures)] or [""]
    joined = f"{address}/{first}"
    if first and rest and not Path(first).exists() and _address(joined, resolve) == joined:
        hint = f"`{shlex.join(['filterkit', command, joined, *rest])}`"
        raise AddressError(f"there is no picture {first}", written=address, hint=hint)


def hint_unquoted_picture(pictures: Iterable[Any]) -> str | None:
    """A hint to quote the name of a picture, if the first of these words make one when joined."""
    words = [*_paths(pictures)]
    for end in range(2, len(words) + 1):
        name = " ".join(words[:end])
        if Path(name).exists():
            return f"quote names that contain spaces: {shlex.quote(name)}"
    return None


def _paths(pictures: Iterable[Any]) -> Iterator[str]:
    if isinstance(pictures, str | os.PathLike):
        yield str(pictures)
    elif isinstance(pictures, list | tuple):
        yield from (str(each) for each in pictures[:MOST_WORDS] if isinstance(each, str | os.PathLike))


def _swapped(words: list[str], resolve: Callable[[str], object]) -> list[str] | None:
    if not (Path(words[0]).suffix or Path(words[0]).exists()):
        return None
    for place, word in enumerate(words[1:], 1):
        address = _address(word, resolve)
        if address:
            return [address, *words[:place], *words[place + 1 :]]
    return None


def _split_address(words: list[str], resolve: Callable[[str], object]) -> list[str] | None:
    for end in range(2, len(words) + 1):
        for address in (" ".join(words[:end]), "_".join(words[:end])):  # layers have _ for a space
            if _address(address, resolve) == address:
                return [address, *words[end:]]
    return None


def _address(word: str, resolve: Callable[[str], object]) -> str | None:
    """`word` if it is an address in the catalog, else the address that was probably meant."""
    try:
        resolve(word)
    except AddressError as error:
        meant = error.meant[0] if error.meant else word
        return _address(meant, resolve) if meant != word else None
    except FilterkitError:
        return None
    return word


def corrected(words: Sequence[str], wrong: AddressError | str) -> str | None:
    """See `filterkit.workbench.corrected_command`."""
    if isinstance(wrong, AddressError):
        return _with_the_address(words, wrong)
    if "issing option '-o'" in wrong:
        return _without_output(words)
    return _without_extras(words, wrong) if "extra argument" in wrong else None


def _with_the_address(words: Sequence[str], error: AddressError) -> str | None:
    """The command line with the address replaced by those that were probably meant, if they are known."""
    if error.written not in words or not error.meant:
        return None
    place = words.index(error.written)
    there = [meant for meant in error.meant if _is_named(words, meant)]
    return " or ".join(_line([*words[:place], meant, *words[place + 1 :]]) for meant in there) or None


def _without_extras(words: Sequence[str], message: str) -> str | None:
    """A hint about unexpected arguments, from the parser's message about them.

    Parameters
    ----------
    words
        The command and everything after it.
    """
    match = _EXTRAS.fullmatch(message.strip())
    extras = _places(words, match[1]) if match else []
    if not extras or extras[0] < 2:
        return None
    first, last = extras[0] - 1, extras[-1] + 1
    before, apart, after = words[:first], words[first:last], words[last:]
    joined, command = " ".join(apart), words[0]
    if command == "query":
        sql = " ".join(word for word in _with_star(words[1:last]) if not word.startswith("--"))
        return f"quote the statement: {_line([command, sql, *after])}"
    starred = _with_star(words)
    if len(starred) < len(words):
        return f"the shell expands * to file names, so quote it: {_line(starred)}"
    option, equals, value = apart[0].partition("=")
    if LISTED in (before[-1], option):
        from filterkit.operations.similar import Invariance

        listed = ",".join([value if equals else apart[0], *apart[1:]])
        listed = ",".join(filter(None, listed.split(",")))
        if not set(get_args(Invariance)).issuperset(listed.split(",")):
            return None
        given = f"{option}={listed}" if equals else listed
        return f"separate values with commas: {_line([*before, given, *after])}"
    if _exists(joined) or before[-1].startswith("-") or "," in apart[0]:
        return f"quote arguments that contain spaces: {_line([*before, joined, *after])}"
    if command not in OF_ONE and all(map(_exists, apart)):
        return f"the shell expands * to file names, so quote it: {_line([*before, '*', *after])}"
    if command not in ADDRESSED | OF_ONE:
        return None
    is_address = command in ADDRESSED and first == 1
    named = _named(words, apart) if is_address else None
    if named:
        return f"an address contains no spaces: {_line([*before, named, *after])}"
    written = _with_output(words, apart, before, after)
    if written:
        return written
    several = any("/" in word or _exists(word) for word in apart[1:])
    of_models = (_exists(word) or _is_named(words, word.partition("/")[0]) for word in apart)
    if is_address and several and not all(of_models):
        return f"quote arguments that contain spaces: {_line([*before, joined, *after])}"
    if command == "add" and apart[0].endswith(":"):
        return f"remove the space after the colon: {_line([*before, joined.replace(' ', ''), *after])}"
    if command == "add" and len(apart) == 2 and _names_a_new_model(apart[1], words):
        return f"give the name with --name: {_line([*before, apart[0], '--name', apart[1], *after])}"
    of_several = is_address and all(_is_named(words, word) for word in apart)
    if command in OF_ONE or several or of_several:
        then = f", then {_line([*before, apart[1], *after])}" + " and so on" * (len(apart) > 2)
        return f"one at a time: {_line([*before, apart[0], *after])}{then}"
    if is_address and _is_valid("/".join(apart)):
        return f"separate the parts of an address with /: {_line([*before, '/'.join(apart), *after])}"
    return f"quote arguments that contain spaces: {_line([*before, joined, *after])}" if is_address else None


def _with_output(
    words: Sequence[str], apart: Sequence[str], before: Sequence[str], after: Sequence[str]
) -> str | None:
    """A hint to write ``-o`` before a file name, if one of two words is a file and the other an address."""
    if words[0] not in WRITING or len(apart) != 2 or {"-o", "--output"} & {*before, *after}:
        return None
    for address, file in (apart, apart[::-1]):
        if "." in file and not _is_named(words, file) and _is_named(words, address):
            return f"give the output file with -o: {_line([*before, address, '-o', file, *after])}"
    return None


def _without_output(words: Sequence[str]) -> str | None:
    """A hint about a missing option ``-o``, from the command line."""
    given = [word for word in words[1:] if not word.startswith("-")]
    return _with_output(words, given, words[:1], ()) if len(words) == 3 and len(given) == 2 else None


def _names_a_new_model(word: str, words: Sequence[str]) -> bool:
    """Whether a word can only be the name of the model before it."""
    return not _exists(word) and re.fullmatch(r"[A-Za-z0-9][\w-]*", word) is not None


def _named(words: Sequence[str], apart: Sequence[str]) -> str | None:
    """The address in the catalog for a name with spaces, which layer names there have as ``_``."""
    found = (glue.join(apart) for glue in ("_", " ", "-", ".", ""))
    return next((address for address in found if "/" in address and _is_named(words, address)), None)


def _is_named(words: Sequence[str], address: str) -> bool:
    """Whether the catalog that a command uses has layers at this address."""
    from filterkit.operations.layers import layers
    from filterkit.session import Session

    session = Session(_catalog(words))
    try:
        return bool(layers(session, address))
    except FilterkitError:
        return False
    finally:
        session.close()


def _catalog(words: Sequence[str]) -> str | None:
    for place, word in enumerate(words):
        if word == "--catalog":
            return words[place + 1] if place + 1 < len(words) else None
        if word.startswith("--catalog="):
            return word.partition("=")[2]
    return None


def _is_valid(address: str) -> bool:
    try:
        parse_address(address)
    except FilterkitError:
        return False
    return True


def _places(words: Sequence[str], extras: str) -> list[int]:
    """Indices among `words` of those that `extras` lists in sequence."""
    places = []
    for place in reversed(range(1, len(words))):
        rest = extras.removesuffix(words[place])
        if words[place] and rest != extras and (not rest or rest.endswith(" ")):
            places.append(place)
            extras = rest.removesuffix(" ")
            if not extras:
                return places[::-1]
    return []


def _with_star(words: Sequence[str]) -> list[str]:
    """`words` with ``*`` in place of all file names in this folder, undoing the shell's expansion."""
    try:
        names = {path.name for path in Path().iterdir() if not path.name.startswith(".")}
    except OSError:
        names = set()
    for start in range(len(words) - len(names) + 1 if len(names) > 1 else 0):
        if set(words[start : start + len(names)]) == names:
            return [*words[:start], "*", *words[start + len(names) :]]
    return [*words]


def _exists(word: str) -> bool:
    try:
        return Path(word).exists()
    except (OSError, ValueError):
        return False


def _line(words: Sequence[str]) -> str:
    return f"`filterkit {' '.join(map(shell_quoted, words))}`"
