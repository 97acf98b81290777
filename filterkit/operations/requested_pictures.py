"""The pictures of a request: found in folders, named, and read in the channels of a model."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain, islice
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from filterkit.errors import FilterkitError, ImageError, UsageError
from filterkit.operations.corrections import hint_unquoted_picture
from filterkit.records import SourceImage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from filterkit.plugins.registry import Registry
    from filterkit.records import Preprocessing
    from filterkit.runtime.feature_maps import Network, Size
    from filterkit.runtime.pictures import Picture


def parse_size(text: str | int | tuple[int, int] | None, *, original: bool = True) -> Size:
    """Parse ``224``, ``240x320`` (height × width) or ``original``; None stays None.

    Numbers mean the same as such texts: ``224`` and ``(240, 320)``. A hint offers ``original`` only if there
    is such a size.

    Raises
    ------
    UsageError
        `text` is anything else, or the size is too large.
    """
    from filterkit.runtime.pictures import LARGEST_SIZE

    if text is None:
        return None
    if isinstance(text, tuple | list):
        text = "x".join(map(str, text))
    text = str(text)
    if text == "original":
        return "original"
    height, cross, width = text.lower().partition("x")
    try:
        size = int(height), int(width if cross else height)
    except ValueError:
        size = 0, 0
    if min(size) < 1:
        choices = ["224", "240x320 (height x width)", *["original"] * original]
        hint = f"use {', '.join(choices[:-1])} or {choices[-1]}"
        raise UsageError(f"'{text}' is not a size", hint=hint)
    if size[0] * size[1] > LARGEST_SIZE:
        raise UsageError(
            f"the size {text} has more than {LARGEST_SIZE:,} pixels", hint="choose a smaller one"
        )
    return size


def picture_name(picture: Picture | SourceImage, number: int) -> tuple[str, str]:
    """The name of a picture in rows, and in file names."""
    if isinstance(picture, SourceImage):
        return picture.name, picture.path.stem if picture.path else _stem(picture.name)
    if isinstance(picture, str | Path):
        return str(picture), Path(picture).stem
    return f"picture {number}", f"picture_{number}"


LONGEST_STEM = 100


def _stem(name: str) -> str:
    """A name for files of a picture that is not a file: without folders, suffix and unusual characters."""
    place = PurePosixPath(name.rpartition("!")[2].replace("\\", "/"))
    stem = place.stem if place.suffix else f"{PurePosixPath(name).stem}_{place.name}"
    return re.sub(r"[^\w .()+,=@-]", "_", stem).lstrip(".")[:LONGEST_STEM] or "picture"


def as_pictures(images: Picture | Iterable[Picture]) -> Iterable[Picture]:
    """The pictures of a request; a single path, PIL image or array is one picture, not an iterable of them.

    An array of more than three dimensions has several pictures along the first one.
    """
    if isinstance(images, str | bytes | os.PathLike) or not isinstance(images, Iterable):
        return [images]
    return [cast("Picture", images)] if getattr(images, "ndim", 4) < 4 else images


def listed_pictures(images: Picture | Iterable[Picture]) -> Sequence[Picture]:
    """As `as_pictures`, with all of them at once."""
    found = as_pictures(images)
    return found if isinstance(found, Sequence) else [*found]


class OfPictures(Protocol):
    """The result for one picture."""

    @property
    def of_several(self) -> bool:
        """Whether the same call returns results of more pictures."""
        ...


Result = TypeVar("Result", bound=OfPictures)
T = TypeVar("T")


def only_result(image: object, run: Callable[[], Iterator[Result]], method: str, several: str) -> Result:
    """The result for a single picture, of a method that has another one for `several` pictures.

    Raises
    ------
    UsageError
        `image` is more than one picture.
    """
    result = None if isinstance(image, list | tuple) else next(run())
    if result is None or result.of_several:
        raise UsageError(
            f"{method} takes a single picture or input, but there are several",
            hint=f"iterate over bench.{several}(…), which takes any number",
        )
    return result


def _each(registry: Registry, image: Picture) -> Iterable[Picture | SourceImage]:
    if isinstance(image, bytes):
        from filterkit.runtime.pictures import IN_MEMORY

        return [SourceImage(IN_MEMORY, lambda: image)]
    return source_images(registry, image) if isinstance(image, str | os.PathLike) else [image]


def source_images(registry: Registry, spec: str | os.PathLike[str]) -> Iterator[SourceImage]:
    """The pictures that a path or the spec of an image source stands for, such as ``zip:photos.zip``.

    Sources take precedence over files of such a name (write ``./zip:photos.zip``); a `Path` is always one.

    Raises
    ------
    FilterkitError
        The source is unknown, or as described for the source.
    """
    from filterkit.image_sources.files import exists

    name, rest = "files", str(spec)
    if isinstance(spec, str):
        head, colon, after = spec.partition(":")
        known = registry.registrations("image-source") if colon else ()
        if any(head in (each.name, each.full_name) for each in known):
            name, rest = head, after
        elif colon and _SOURCE.fullmatch(head) and not after.startswith("/") and not exists(Path(spec)):
            name = head
    yield from registry.create("image-source", name).images(rest)


_SOURCE = re.compile("[a-z][a-z0-9-]+")
"""What the name of a source may be; a single letter is a drive, as in ``c:photos``."""


def read_picture(image: Picture) -> NDArray[np.uint8]:
    """See `Workbench.read_picture`."""
    from filterkit.runtime import pictures

    return pictures.read_picture(image)


def found_pictures(registry: Registry, images: Iterable[Picture]) -> Iterator[Picture | SourceImage]:
    """The pictures, with paths and specs replaced by the pictures they stand for.

    Of a sequence, all are found before the first is yielded; an iterator is consumed lazily. The error about
    a missing one has a hint if its name was split at spaces.
    """
    if not isinstance(images, Sequence):
        for image in images:
            yield from _each(registry, image)
        return
    found: list[Iterable[Picture | SourceImage]] = []
    for place, image in enumerate(images):
        each = iter(_each(registry, image))
        try:
            found += [*islice(each, 1)], each  # the first is the last that can be missing
        except ImageError as error:
            hint = hint_unquoted_picture(images[place:])
            if hint is None:
                raise
            raise UsageError(error.message, hint=hint) from None
    yield from chain.from_iterable(found)


def as_source(picture: Picture | SourceImage, number: int) -> SourceImage:
    """A picture in memory as one of an image source."""
    if isinstance(picture, SourceImage):
        return picture

    def read() -> Any:
        import numpy as np

        return np.asarray(picture)

    return SourceImage(picture_name(picture, number)[0], read)


def picture_preprocessing(model: Mapping[str, Any]) -> Preprocessing:
    """The preprocessing of a model's pictures; raises ImageError if it takes none."""
    from filterkit.catalog.model_input import preprocessing_from, takes_no_pictures

    preprocessing = preprocessing_from(model["preprocessing"])
    if preprocessing is None:
        hint = "give its inputs as arrays with --input FILE.npz"
        if len(model["input_shape"] or ()) in (0, 4):
            spec = "--preprocessing unit:input=NAME,layout=NCHW"
            hint += f"; if one is a picture, declare it with filterkit add --replace {spec}"
        raise ImageError(takes_no_pictures(model), hint=hint)
    return preprocessing


THREADS = 2
"""Number of threads that decode pictures ahead, of which each may be large, while the network runs."""


@contextmanager
def hinting_at_maps() -> Iterator[None]:
    """Let hints that arrays can be given instead of pictures name the command that takes them."""
    try:
        yield
    except FilterkitError as error:
        if error.hint is not None:
            error.hint = re.sub(r"(?<!maps )--input\b", "filterkit maps --input", error.hint)
        raise


def read_pictures(
    network: Network,
    model: Mapping[str, Any],
    preprocessing: Preprocessing,
    pictures: Iterable[Picture | SourceImage],
    size: Size,
    unreadable: Callable[[ImageError], None] | None,
    *,
    several: bool,
    threads: int = THREADS,
    files: Callable[[str], list[Path]] | None = None,
) -> Iterator[tuple[str, str, NDArray[Any]]]:
    """The name of each picture in rows and in file names, and its pixels; problems are reported once.

    Several are decoded in threads, ahead of their use, unless `threads` is 0. `files` returns the files for a
    picture, which is left out if all exist.
    """
    from filterkit.catalog.model_input import has_placeholder_size
    from filterkit.graph.layers.picture_input import fixed_size
    from filterkit.runtime.pictures import report

    declared = fixed_size(model["input_shape"], model["input_layout"])
    is_placeholder = size is None and has_placeholder_size(model) and network.takes_any_size(preprocessing)
    reported: set[str] = set()

    def report_once(kind: str, text: str) -> None:
        if kind not in reported:
            report(text + (" (further cases are not reported)" if several and kind == "range" else ""))
        reported.add(kind)

    decode = partial(_pixels, preprocessing)
    threads = threads if several else 0
    for name, stem, (pixels, notes) in decoded(pictures, decode, unreadable, threads=threads, files=files):
        for text in notes:
            report_once("range", text)
        if is_placeholder and pixels.shape[:2] != declared:
            report_once(
                "size",
                f"pictures are resized to {declared[0]} × {declared[1]}, the input size in the file of "
                f"{model['name']}; if that is a placeholder, set another with --size 224 or --size original",
            )
        yield name, stem, pixels


def decoded(
    pictures: Iterable[Picture | SourceImage],
    decode: Callable[[Picture | SourceImage], T],
    unreadable: Callable[[ImageError], None] | None,
    *,
    threads: int,
    files: Callable[[str], list[Path]] | None,
) -> Iterator[tuple[str, str, T]]:
    """The name of each picture in rows and in file names, and what `decode` makes of it.

    Parameters as of `read_pictures`.
    """
    from filterkit.image_sources.decoding import decoded_ahead
    from filterkit.runtime.pictures import report

    skipped: list[str] = []
    named = _named(pictures, files, skipped)
    for (name, stem, _), found in decoded_ahead(named, lambda each: decode(each[2]), threads=threads):
        if not isinstance(found, ImageError):
            yield name, stem, found
        elif unreadable is None:
            raise found
        else:
            unreadable(found)
    if skipped:
        report(f"skipped {len(skipped):,} picture{'s' * (len(skipped) > 1)} whose files exist already")


def _named(
    pictures: Iterable[Picture | SourceImage], files: Callable[[str], list[Path]] | None, skipped: list[str]
) -> Iterator[tuple[str, str, Picture | SourceImage]]:
    """Pictures with their names in rows and in file names; those whose `files` exist are `skipped`."""
    stems: set[str] = set()
    for number, picture in enumerate(pictures):
        name, stem = picture_name(picture, number)
        stem = _distinct(stem, stems)  # before it is read, so that it is the same in every run
        if files and all(path.exists() for path in files(stem)):
            skipped.append(name)
        else:
            yield name, stem, picture


def _pixels(preprocessing: Preprocessing, picture: Picture | SourceImage) -> tuple[NDArray[Any], list[str]]:
    """The pixels of a picture, and notes about them."""
    from filterkit.image_sources.decoding import content_pixels
    from filterkit.runtime.pixels import read_pixels

    notes: list[str] = []
    if isinstance(picture, SourceImage):
        return content_pixels(picture.read(), picture.name, preprocessing, note=notes.append), notes
    with _ONE_AT_A_TIME:
        return read_pixels(picture, preprocessing, note=notes.append), notes


_ONE_AT_A_TIME = Lock()
"""For PIL images, which are not thread-safe, and of which one may be given twice."""


def _distinct(stem: str, taken: set[str]) -> str:
    """Number pictures with equal file names, so that none overwrites the results of another."""
    name, count = stem, 1
    while name.casefold() in taken:  # some file systems do not distinguish A.png from a.png
        count += 1
        name = f"{stem}_{count}"
    taken.add(name.casefold())
    return name
