"""What can go wrong, said in one line, with a hint about what to do next.

Everything a user can mend is a `FilterkitError`. The command line prints it without a traceback and exits
with its `exit_code`: 1 where the work failed, 2 where the command was wrong.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class FilterkitWarning(UserWarning):
    """What a user should know of what was done; one line, with what to do about it."""


class FilterkitError(Exception):
    """A failure that the user can understand and mend.

    Parameters
    ----------
    message
        One line: what failed, and on what.
    hint
        One line: what to do about it. A traceback shows it below the message.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if hint:
            self.add_note(f"hint: {hint}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles are made past ``__init__``, which takes more than `args` hold."""
        state = {**self.__dict__, "__notes__": [*getattr(self, "__notes__", ())]}
        return type(self).__new__, (type(self), *self.args), state


class UsageError(FilterkitError):
    """The request itself is wrong: grammar, an unknown option, an unknown normalizer (exit code 2)."""

    exit_code = 2


class UnknownNameError(UsageError):
    """Nothing has this name, and plugins may add what has it: a source, a normalizer, the column of a metric.

    Parameters
    ----------
    name
        What was asked for, without its options.
    """

    def __init__(self, message: str, *, name: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.name = name


class NotFoundError(FilterkitError):
    """A model, layer, filter or file that does not exist."""


class AddressError(UsageError, NotFoundError):
    """An address that names nothing because of how it is written (exit code 2).

    Parameters
    ----------
    written
        The address.
    meant
        Addresses that were probably meant, likeliest first.
    """

    def __init__(
        self, message: str, *, written: str, meant: Iterable[str] = (), hint: str | None = None
    ) -> None:
        self.written, self.meant = written, tuple(meant)
        names = " or ".join(f"'{name}'" for name in self.meant)
        super().__init__(message, hint=hint or (f"did you mean {names}?" if names else None))


class ModelError(FilterkitError):
    """An ONNX file that cannot be read, believed or used."""


class SourceError(FilterkitError):
    """A model source that could not bring its model (network, hash, missing extra)."""


class CatalogError(FilterkitError):
    """A catalog or store that cannot be opened, read or written."""


class RuntimeFailure(FilterkitError):
    """ONNX Runtime could not run what was asked."""


class ImageError(FilterkitError):
    """A picture that cannot be read, or does not fit the network."""


class PluginError(FilterkitError):
    """A plugin that is broken or missing."""


class PluginContractError(PluginError):
    """A plugin returned what its hook does not allow; names plugin, version and method."""


def closest(word: str, known: Iterable[str], *, limit: int = 3, prefix: str = "") -> str:
    """A hint that names what was probably meant, e.g. ``did you mean 'minmax'?``.

    Falls back to listing what is known, so that the reader always learns a valid name. Plugins are
    known without their ``filterkit-`` too: that they share it does not make their names close. A `prefix`
    stands before every name that is shown.
    """
    names = sorted(set(known))
    folded: dict[str, list[str]] = {}
    for name in names:
        for called in {name.casefold(), name.casefold().removeprefix("filterkit-")}:
            folded.setdefault(called, []).append(name)
    sought = word.casefold().removeprefix("filterkit-")
    likely = difflib.get_close_matches(sought, folded, n=limit, cutoff=0.55)
    close = list(dict.fromkeys(name for each in likely for name in folded[each]))[:limit]
    if close:
        return "did you mean " + " or ".join(f"'{prefix}{name}'" for name in close) + "?"
    if not names:
        return "there are none"
    shown = ", ".join(f"{prefix}{name}" for name in names[:12])
    return f"known: {shown}" + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def shell_quoted(word: str) -> str:
    """`word` quoted for a shell: in double quotes if it has single ones and no other special characters."""
    import re
    import shlex

    if "'" in word and not re.search(r'["$`\\!]', word):
        return f'"{word}"'
    return shlex.quote(word)


def one_line(text: str) -> str:
    """`text` without line breaks and control characters, which names in hostile models may hold.

    What a terminal would obey, or what would hide or reorder what is read, is written out, e.g. an escape as
    ``\\x1b`` and a right-to-left override as ``\\u202e``: all that `str.isprintable` says no to, which knows
    Unicode, but for spaces.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c.isspace() else _written_out(c) for c in text)


def plain(text: str) -> str:
    """The same for a text of several lines, which keeps its line feeds, tabs and spaces."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or is_layout(c) else _written_out(c) for c in text)


def is_layout(character: str) -> bool:
    """Whether a character is a line feed, a tab, or a space of any width."""
    from unicodedata import category

    return character in "\n\t" or category(character) == "Zs"


def _written_out(character: str) -> str:
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
