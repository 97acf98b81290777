"""Names from a file: require valid text of bounded length, make them unique, and print them safely."""

from __future__ import annotations

from google.protobuf.message import Message  # type: ignore[import-untyped]
from onnx import TensorProto

from filterkit.errors import ModelError, one_line

IGNORED = ("doc_string", "metadata_props")

LONGEST_NAME = 2**14
"""Characters. Exporters write module paths of some hundred; code that reads names may rely on this limit."""


def shown(name: str, limit: int = 80) -> str:
    """`name` on one line, without control characters (terminal escapes, NUL), truncated to `limit`."""
    plain = one_line(name[: limit + 1])
    return plain if len(plain) <= limit else plain[: limit - 1] + "…"


def free_name(name: str, taken: dict[str, int]) -> str:
    """`name`, or where it is taken, `name` with the lowest numeric suffix that makes it unique.

    Parameters
    ----------
    taken
        Names in use, each with the last suffix tried for it, 0 at first; updated. This way many equal names
        cost no more than as many different ones.
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
    """Require all names in a message to be valid text, no longer than `LONGEST_NAME`.

    Raises
    ------
    ModelError
        A name is longer, or is not UTF-8, in which case protobuf returns bytes.
    """
    if isinstance(message, TensorProto):  # not through ListFields, which would copy the data
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
        raise ModelError("contains names that are not valid UTF-8", hint="fetch or export the model again")
    if len(name) > LONGEST_NAME:
        raise ModelError(
            f"contains a name of {len(name):,} characters ('{shown(name, 40)}'), more than {LONGEST_NAME:,}",
            hint="export it again with shorter names",
        )
