"""Forms that pages send: bounded while they are read, and only those of our own pages."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser

from filterkit.errors import FilterkitError, UsageError
from filterkit.web.workers import BusyError

if TYPE_CHECKING:
    from starlette.requests import Request

LARGEST_FILE = 20_000_000
"""Limit on an uploaded file in bytes."""

LARGEST_FORM = 64 << 10
"""Limit on a form in bytes, besides a file."""

DRAINED = 4 * LARGEST_FILE
"""How much more of a body that is too large is read, so that browsers show the response."""

SLOWEST = 120.0
"""How long a form may take to arrive, in seconds."""

MOST_UPLOADS = 2
"""How many forms with files are read at a time, each of which is in memory."""

MOST_FIELDS = 16
LONGEST_FIELD = 4096
LONGEST_NAME = 200
"""Limits on the number of fields, on the bytes of one, and on the characters of a file name."""


class ForbiddenError(FilterkitError):
    """The form is of none of our pages, or of another start of the server."""


class TooLargeError(FilterkitError):
    """The form is too large."""


@dataclass(frozen=True)
class Form:
    """The fields of a form, and the file in it: its name and content."""

    fields: dict[str, str]
    file: tuple[str, bytes] | None = None

    def __getitem__(self, name: str) -> str:
        return self.fields.get(name, "").strip()


class _InMemory(MultiPartParser):
    """Never writes to a disk, as Starlette does with files of more than a megabyte."""

    spool_max_size = 0  # for `SpooledTemporaryFile`: no limit
    max_file_size = 0  # its name in versions before 0.46


async def read_form(request: Request, *, with_file: bool = False) -> Form:
    """The form that a page has sent, with its token.

    Raises
    ------
    UsageError
        It is not a form, or not within the limits.
    TooLargeError
        It is too large.
    ForbiddenError
        The token is missing or wrong.
    BusyError
        It takes too long, or too many files are being sent.
    """
    state = request.app.state
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_multipart = kind == "multipart/form-data"
    if not (with_file and is_multipart) and kind != "application/x-www-form-urlencoded":
        raise UsageError("this is not a form", hint="use the form of the page")
    if is_multipart and state.receiving >= MOST_UPLOADS:
        raise BusyError("too many pictures are being sent", hint="try it again in a moment")
    state.receiving += is_multipart
    try:
        async with asyncio.timeout(SLOWEST):
            form = await _parsed(request, is_multipart)
    except TimeoutError:
        raise BusyError("the form took too long to arrive", hint="try it again") from None
    except MultiPartException as error:
        raise UsageError(f"this is not a form: {error.message}", hint="use the form of the page") from None
    finally:
        state.receiving -= is_multipart
    if not secrets.compare_digest(form["csrf"].encode(), state.csrf.encode()):
        raise ForbiddenError("the form has no valid token", hint="reload the page, and send it again")
    return form


async def _parsed(request: Request, is_multipart: bool) -> Form:
    limit = LARGEST_FORM + LARGEST_FILE * is_multipart
    body = _limited(request, limit)
    if not is_multipart:
        found = await FormParser(request.headers, body).parse()
    else:
        parser = _InMemory(
            request.headers, body, max_files=1, max_fields=MOST_FIELDS, max_part_size=LONGEST_FIELD
        )
        found = await parser.parse()
    try:
        return await _form(found)
    finally:
        await found.close()


async def _form(found: FormData) -> Form:
    fields: dict[str, str] = {}
    file = None
    if len(found.multi_items()) > MOST_FIELDS + 1:
        raise UsageError("the form has too many fields", hint="use the form of the page")
    for name, value in found.multi_items():
        if isinstance(value, UploadFile):
            content = await value.read()
            if len(content) > LARGEST_FILE:
                raise _too_large()
            file = (value.filename or "picture")[-LONGEST_NAME:], content
        else:
            fields[name] = value
    return Form(fields, file)


async def _limited(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    """The body of a request, counted while it arrives, whatever its headers say."""
    size = 0
    stream = request.stream()
    async for chunk in stream:
        size += len(chunk)
        if size > limit:
            async for more in stream:
                size += len(more)
                if size > limit + DRAINED:
                    break
            raise _too_large()
        yield chunk


def _too_large() -> TooLargeError:
    return TooLargeError(
        f"the picture is larger than {LARGEST_FILE // 10**6} MB", hint="make it smaller; networks do as well"
    )
