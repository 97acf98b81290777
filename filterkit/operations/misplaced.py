"""Words of `maps` and `convolve` in the wrong place: a picture first, or a name split at its spaces."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filterkit.errors import AddressError, FilterkitError, NotFoundError, UsageError

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
