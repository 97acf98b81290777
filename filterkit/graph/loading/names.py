"""Names that come from a file: text of a bounded length, free ones among them, and made fit for a message."""

from __future__ import annotations

from google.protobuf.message import Message  # type: ignore[import-untyped]
from onnx import TensorProto

from filterkit.errors import ModelError, one_line

IGNORED = ("doc_string", "metadata_props")

LONGEST_NAME = 2**14
"""Characters. Exporters write out paths of modules, some hundred; whatever reads names may rely on this."""


def shown(name: str, limit: int = 80) -> str:
    """`name` on one line, without control characters (terminal escapes, NUL), at most `limit` long."""
    plain = one_line(name[: limit + 1])
    return plain if len(plain) <= limit else plain[: limit - 1] + "…"


def free_name(name: str, taken: dict[str, int]) -> str:
    """`name`, or where it is taken, the name and the first number behind it that make a free one.

    Parameters
    ----------
    taken
        Names that are taken, each with the last number that was tried behind it, 0 at first; changed.
        Many equal names cost no more than as many different ones.
    """
    made, number = name, taken.get(name, 0)
    while made in taken:
        number += 1
        made = f"{name}_{number}"
    if made != name:
        taken[name] = number
    taken[made] = 0
    return made


def check_names(message: Message) -> None:
    """Require of all names in a message that they are text, and no longer than `LONGEST_NAME`.

    Raises
    ------
    ModelError
        One is longer, or no UTF-8; protobuf gives out bytes in place of those that are not.
    """
    if isinstance(message, TensorProto):  # not all fields, since that would copy the data
        _check_name(message.name)
        for entry in message.external_data:
            check_names(entry)
        return
    for field, value in message.ListFields():
        if field.name in IGNORED:
            continue
        if field.type == field.TYPE_STRING:
            for one in [value] if isinstance(value, str | bytes) else value:
                _check_name(one)
        elif field.type == field.TYPE_MESSAGE:
            for one in [value] if isinstance(value, Message) else value:
                check_names(one)


def _check_name(name: str | bytes) -> None:
    if not isinstance(name, str):
        raise ModelError("holds names that are no text", hint="fetch or export the model again")
    if len(name) > LONGEST_NAME:
        raise ModelError(
            f"holds a name of {len(name):,} characters ('{shown(name, 40)}'), more than {LONGEST_NAME:,}",
            hint="a network has no use for that; export it again, with shorter names",
        )
