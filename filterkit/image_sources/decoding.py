"""Decode the pictures of image sources, in threads ahead of their use."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from filterkit.errors import ImageError
from filterkit.runtime.pictures import Note, PictureBytes, report

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.records import ImageContent, Preprocessing

T = TypeVar("T")
Image = TypeVar("Image")

MOST_THREADS = 8
"""Number of threads by default, if there are as many processors; more pictures at a time need more memory."""


def content_pixels(
    content: ImageContent, name: str, preprocessing: Preprocessing, *, note: Note = report
) -> NDArray[Any]:
    """The pixels of what `SourceImage.read` returned, as `filterkit.runtime.pixels.read_pixels` returns them.

    Raises
    ------
    ImageError
        As `read_pixels`, or if it is an input of a network that takes no pictures.
    """
    from filterkit.runtime.pixels import read_pixels

    if isinstance(content, Mapping):
        raise ImageError(
            f"{name} is not a picture but an input of the graph",
            hint="give pictures, as this network takes them",
        )
    picture = PictureBytes(name, content) if isinstance(content, bytes) else content
    return read_pixels(picture, preprocessing, note=note, name=name)


def decoded_ahead(
    images: Iterable[Image], decode: Callable[[Image], T], *, threads: int | None = None
) -> Iterator[tuple[Image, T | ImageError]]:
    """Decode pictures in threads, ahead of their use, and yield them in order.

    Parameters
    ----------
    images
        As those of an image source. Iterated in the caller's thread, at most two pictures per thread ahead.
    decode
        Called with each picture in one of the threads.
    threads
        Number of threads; by default that of the processors, up to `MOST_THREADS`. 0 decodes each picture
        when it is needed, in the caller's thread.

    Yields
    ------
    tuple
        The picture and what `decode` returned, or the ImageError that it raised. Other errors are raised.
    """

    def attempt(image: Image) -> T | ImageError:
        try:
            return decode(image)
        except ImageError as error:
            return error

    if threads == 0:
        yield from ((image, attempt(image)) for image in images)
        return
    count = threads or min(os.cpu_count() or 1, MOST_THREADS)
    pending: deque[tuple[Image, Future[T | ImageError]]] = deque()
    pool = ThreadPoolExecutor(count, "filterkit-decode")
    try:
        waiting = iter(images)
        pending.extend((image, pool.submit(attempt, image)) for image in islice(waiting, 2 * count))
        while pending:
            image, done = pending.popleft()
            result = done.result()
            del done  # holds the result
            pending.extend((another, pool.submit(attempt, another)) for another in islice(waiting, 1))
            yield image, result
            del image, result
    finally:
        pool.shutdown(cancel_futures=True)
