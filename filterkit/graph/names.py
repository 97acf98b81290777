"""Names that come from a model: whether they are text at all, and made fit for a message."""

from __future__ import annotations

from google.protobuf.message import Message  # type: ignore[import-untyped]
from onnx import TensorProto

from filterkit.errors import one_line

IGNORED = ("doc_string", "metadata_props")


def shown(name: str, limit: int = 80) -> str:
    """`name` on one line, without control characters (terminal escapes, NUL), at most `limit` long."""
    plain = one_line(name[: limit + 1])
    return plain if len(plain) <= limit else plain[: limit - 1] + "…"


def are_text(message: Message) -> bool:
    """Whether all names in a message are UTF-8; protobuf gives out bytes in place of those that are not."""
    if isinstance(message, TensorProto):  # not all fields, since that would copy the data
        return isinstance(message.name, str) and all(map(are_text, message.external_data))
    for field, value in message.ListFields():
        values = [value] if isinstance(value, str | bytes | Message) else value
        if field.name in IGNORED:
            continue
        if field.type == field.TYPE_STRING and not all(isinstance(one, str) for one in values):
            return False
        if field.type == field.TYPE_MESSAGE and not all(map(are_text, values)):
            return False
    return True
