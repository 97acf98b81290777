"""The command line that was probably meant, as a hint: names completed, words in order, and quotes.

A shell splits names at spaces and puts names of files in place of a bare ``*``.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filterkit.address import parse_address
from filterkit.errors import AddressError, FilterkitError, NotFoundError, UsageError, shell_quoted

_EXTRAS = re.compile(r"got unexpected extra arguments?(?:\(s\))? \((.*)\)", re.IGNORECASE | re.DOTALL)

ADDRESSED = frozenset(
    ("layers", "filters", "stats", "similar", "duplicates", "show", "maps", "convolve", "export")
)
"""Commands whose first word is an address."""

OF_ONE = frozenset(("add", "measure", "remove"))
"""Commands that take one model and nothing else."""

WRITING = frozenset(("show", "stats", "export"))
"""Commands that write files of what an address names."""

LISTED = "--invariant"
"""The option that takes several words, separated by commas."""


MOST_WORDS = 20
"""Words that are looked at."""


@contextmanager
def in_order(
    command: str, address: str, pictures: Iterable[Any], resolve: Callable[[str], object]
) -> Iterator[None]:
    """Let the error about an address show the command as it was meant, where a picture stands before it.

    Parameters
    ----------
    command
        What comes before the words.
    pictures
        What stands behind the address; only paths are looked at, and nothing that can be read only once.
    resolve
        Raises FilterkitError for what is no address of the catalog.
    """
    try:
        yield
    except (UsageError, NotFoundError) as error:
        words = [address, *_paths(pictures)]
        meant = _swapped(words, resolve) or _apart(words, resolve)
        if meant is None:
            raise
        message = f"'{address}' is no address, and one goes before pictures"
        if meant[0].startswith((f"{address} ", f"{address}_")):
            message = error.message
        hint = shlex.join(["filterkit", command, *meant])
        raise AddressError(message, written=address, hint=f"`{hint}`") from None
    _check_for_a_layer(command, address, pictures, resolve)


def _check_for_a_layer(
    command: str, address: str, pictures: Iterable[Any], resolve: Callable[[str], object]
) -> None:
    """Raise AddressError where the first picture is a layer of the model before it."""
    first, *rest = [*_paths(pictures)] or [""]
    joined = f"{address}/{first}"
    if first and rest and not Path(first).exists() and _address(joined, resolve) == joined:
        hint = f"`{shlex.join(['filterkit', command, joined, *rest])}`"
        raise AddressError(f"there is no picture {first}", written=address, hint=hint)


def joined_picture(pictures: Iterable[Any]) -> str | None:
    """A hint that quotes the name of a picture, which is what the first words of these are when joined."""
    words = [*_paths(pictures)]
    for end in range(2, len(words) + 1):
        name = " ".join(words[:end])
        if Path(name).exists():
            return f"quote a name with spaces in it: {shlex.quote(name)}"
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


def _apart(words: list[str], resolve: Callable[[str], object]) -> list[str] | None:
    for end in range(2, len(words) + 1):
        for address in (" ".join(words[:end]), "_".join(words[:end])):  # layers have _ for a space
            if _address(address, resolve) == address:
                return [address, *words[end:]]
    return None


def _address(word: str, resolve: Callable[[str], object]) -> str | None:
    """`word`, if it is an address of the catalog, or the address that it was probably meant to be."""
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
    """The command line with what was meant in place of what was written, where that is known."""
    if error.written not in words or not error.meant:
        return None
    place = words.index(error.written)
    there = [meant for meant in error.meant if _is_named(words, meant)]
    return " or ".join(_line([*words[:place], meant, *words[place + 1 :]]) for meant in there) or None


def _without_extras(words: Sequence[str], message: str) -> str | None:
    """What to do about words that a command does not take, by the parser's message about them.

    Parameters
    ----------
    words
        The command and all behind it.
    """
    match = _EXTRAS.fullmatch(message.strip())
    extras = _places(words, match[1]) if match else []
    if not extras or extras[0] < 2:
        return None
    first, last = extras[0] - 1, extras[-1] + 1
    before, apart, behind = words[:first], words[first:last], words[last:]
    joined, command = " ".join(apart), words[0]
    if command == "query":
        sql = " ".join(word for word in _with_star(words[1:last]) if not word.startswith("--"))
        return f"quote the statement: {_line([command, sql, *behind])}"
    starred = _with_star(words)
    if len(starred) < len(words):
        return f"a shell puts names of files in place of *, so quote it: {_line(starred)}"
    option, equals, value = apart[0].partition("=")
    if LISTED in (before[-1], option):
        from filterkit.operations.similar import INVARIANCES

        listed = ",".join([value if equals else apart[0], *apart[1:]])
        listed = ",".join(filter(None, listed.split(",")))
        if not set(INVARIANCES).issuperset(listed.split(",")):
            return None
        given = f"{option}={listed}" if equals else listed
        return f"separate several by commas: {_line([*before, given, *behind])}"
    if _exists(joined) or before[-1].startswith("-") or "," in apart[0]:
        return f"quote what has spaces in it: {_line([*before, joined, *behind])}"
    if command not in OF_ONE and all(map(_exists, apart)):
        return f"a shell puts names of files in place of *, so quote it: {_line([*before, '*', *behind])}"
    if command not in ADDRESSED | OF_ONE:
        return None
    is_address = command in ADDRESSED and first == 1
    named = _named(words, apart) if is_address else None
    if named:
        return f"an address has no spaces in it: {_line([*before, named, *behind])}"
    written = _with_output(words, apart, before, behind)
    if written:
        return written
    several = any("/" in word or _exists(word) for word in apart[1:])
    of_models = (_exists(word) or _is_named(words, word.partition("/")[0]) for word in apart)
    if is_address and several and not all(of_models):
        return f"quote what has spaces in it: {_line([*before, joined, *behind])}"
    if command == "add" and apart[0].endswith(":"):
        return f"there is no space behind the colon: {_line([*before, joined.replace(' ', ''), *behind])}"
    if command == "add" and len(apart) == 2 and _names_a_new_model(apart[1], words):
        return f"a name goes behind --name: {_line([*before, apart[0], '--name', apart[1], *behind])}"
    of_several = is_address and all(_is_named(words, word) for word in apart)
    if command in OF_ONE or several or of_several:
        then = f", then {_line([*before, apart[1], *behind])}" + " and so on" * (len(apart) > 2)
        return f"one at a time: {_line([*before, apart[0], *behind])}{then}"
    if is_address and _reads("/".join(apart)):
        return f"parts of an address are set apart by /: {_line([*before, '/'.join(apart), *behind])}"
    return f"quote what has spaces in it: {_line([*before, joined, *behind])}" if is_address else None


def _with_output(
    words: Sequence[str], apart: Sequence[str], before: Sequence[str], behind: Sequence[str]
) -> str | None:
    """The same with ``-o`` before the name of a file, of two words of which the other is an address."""
    if words[0] not in WRITING or len(apart) != 2 or {"-o", "--output"} & {*before, *behind}:
        return None
    for address, file in (apart, apart[::-1]):
        if "." in file and not _is_named(words, file) and _is_named(words, address):
            return f"a file to write goes behind -o: {_line([*before, address, '-o', file, *behind])}"
    return None


def _without_output(words: Sequence[str]) -> str | None:
    """What to do where the option ``-o`` is missing, by the command line."""
    given = [word for word in words[1:] if not word.startswith("-")]
    return _with_output(words, given, words[:1], ()) if len(words) == 3 and len(given) == 2 else None


def _names_a_new_model(word: str, words: Sequence[str]) -> bool:
    """Whether a word can only be the name of the model before it."""
    return not _exists(word) and re.fullmatch(r"[A-Za-z0-9][\w-]*", word) is not None


def _named(words: Sequence[str], apart: Sequence[str]) -> str | None:
    """The address in the catalog that a name with spaces in it became: layers have ``_`` there."""
    found = (glue.join(apart) for glue in ("_", " ", "-", ".", ""))
    return next((address for address in found if "/" in address and _is_named(words, address)), None)


def _is_named(words: Sequence[str], address: str) -> bool:
    """Whether the catalog that a command is about has layers of this address."""
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


def _reads(address: str) -> bool:
    try:
        parse_address(address)
    except FilterkitError:
        return False
    return True


def _places(words: Sequence[str], extras: str) -> list[int]:
    """Where among `words` those are that stand in `extras` one behind the other."""
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
    """`words` with ``*`` in place of all names of this folder, which a shell makes of a bare one."""
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
