"""Exceptions with a one-line message and a hint about what to do next.

Everything that a user can fix is a `FilterkitError`. The command line prints it without a traceback and exits
with its `exit_code`: 1 if the work failed, 2 if the command was wrong.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class FilterkitWarning(UserWarning):
    """A warning for the user; one line, with what to do about it."""


class FilterkitError(Exception):
    """A failure that the user can understand and fix.

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
        """Copy and pickle without calling ``__init__``, which takes more than `args` contains."""
        state = {**self.__dict__, "__notes__": [*getattr(self, "__notes__", ())]}
        return type(self).__new__, (type(self), *self.args), state


class UsageError(FilterkitError):
    """The request itself is wrong: grammar, an unknown option, an unknown normalizer (exit code 2)."""

    exit_code = 2


class UnknownNameError(UsageError):
    """An unknown name that a plugin might provide: a source, a normalizer, the column of a metric.

    Parameters
    ----------
    name
        The unknown name, without options.
    """

    def __init__(self, message: str, *, name: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.name = name


class UnknownColumnError(UsageError, KeyError):
    """A column that a table does not have."""

    __str__ = Exception.__str__  # a KeyError shows its message in quotes


class NotFoundError(FilterkitError):
    """A model, layer, filter or file that does not exist."""


class LayerNameError(NotFoundError, KeyError):
    """The name of a layer that is not among the results; a `KeyError`, as of a mapping."""

    __str__ = Exception.__str__  # that of KeyError quotes the message


class AddressError(UsageError, NotFoundError):
    """An address that names nothing because of how it is written (exit code 2).

    Parameters
    ----------
    written
        The address as written.
    meant
        Addresses that were probably meant, most likely first.
    """

    def __init__(
        self, message: str, *, written: str, meant: Iterable[str] = (), hint: str | None = None
    ) -> None:
        self.written, self.meant = written, tuple(meant)
        names = " or ".join(f"'{name}'" for name in self.meant)
        super().__init__(message, hint=hint or (f"did you mean {names}?" if names else None))


class ModelError(FilterkitError):
    """An ONNX file that cannot be read, is inconsistent, or cannot be used."""


class SourceError(FilterkitError):
    """A model source that could not fetch its model (network, hash, missing extra)."""


class CatalogError(FilterkitError):
    """A catalog or store that cannot be opened, read or written."""


class RuntimeFailure(FilterkitError):
    """A network that ONNX Runtime could not run."""


class ImageError(FilterkitError):
    """A picture that cannot be read, or does not fit the network."""


class PluginError(FilterkitError):
    """A plugin that is broken or missing."""


class PluginContractError(PluginError):
    """A plugin returned a value that its hook does not allow; names plugin, version and method."""


def check_number(name: str, value: Any, *, whole: bool = False) -> None:
    """Raise UsageError unless `value`, given as the parameter `name`, is a number."""
    from numbers import Integral, Real

    if isinstance(value, bool) or not isinstance(value, Integral if whole else Real):
        raise UsageError(f"{name} must be a {'whole ' * whole}number, not {briefly(value)}")


def check_text(name: str, value: Any, *, hint: str | None = None) -> None:
    """Raise UsageError unless `value`, given as the parameter `name`, is a text."""
    if not isinstance(value, str):
        raise UsageError(f"{name} must be text, not {briefly(value)}", hint=hint)


def briefly(value: object) -> str:
    """A short repr of any value, for messages."""
    import reprlib

    return one_line(reprlib.repr(value))


def closest(word: str, known: Iterable[str], *, limit: int = 3, prefix: str = "") -> str:
    """A hint with the names most similar to `word`, e.g. ``did you mean 'minmax'?``.

    If none is similar, it lists the known names, so that the user always learns a valid one. The prefix
    ``filterkit-`` of plugins is ignored, since sharing it does not make names similar. Every name is shown
    with `prefix` before it.
    """
    names = sorted(set(known))
    folded: dict[str, list[str]] = {}
    for name in names:
        for called in {name.casefold(), name.casefold().removeprefix("filterkit-")}:
            folded.setdefault(called, []).append(name)
    wanted = word.casefold().removeprefix("filterkit-")
    likely = difflib.get_close_matches(wanted, folded, n=limit, cutoff=0.55)
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
    """`text` on one line, without the control characters that names in untrusted models may contain.

    Characters that control a terminal, or hide or reorder text, are escaped, e.g. an escape as ``\\x1b`` and
    a right-to-left override as ``\\u202e``: all for which `str.isprintable` is false, except spaces.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c.isspace() else _escaped(c) for c in text)


def plain(text: str) -> str:
    """As `one_line`, for text of several lines: line feeds, tabs and spaces are kept."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or is_layout(c) else _escaped(c) for c in text)


def is_layout(character: str) -> bool:
    """Whether a character is a line feed, a tab, or a space of any width."""
    from unicodedata import category

    return character in "\n\t" or category(character) == "Zs"


def _escaped(character: str) -> str:
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
