"""The pictures of a request: found in folders, named, and read in the channels of a model."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from filterkit.errors import ImageError, UsageError
from filterkit.operations.corrections import hint_unquoted_picture
from filterkit.records import SourceImage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.plugins.registry import Registry
    from filterkit.records import Preprocessing
    from filterkit.runtime.feature_maps import Network, Size
    from filterkit.runtime.pictures import Picture


def parse_size(text: str | int | tuple[int, int] | None) -> Size:
    """Parse ``224``, ``240x320`` (height × width) or ``original``; None stays None.

    Numbers mean the same as such texts: ``224`` and ``(240, 320)``.

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
        raise UsageError(f"'{text}' is not a size", hint="use 224, 240x320 (height x width) or original")
    if size[0] * size[1] > LARGEST_SIZE:
        raise UsageError(
            f"the size {text} has more than {LARGEST_SIZE:,} pixels", hint="choose a smaller one"
        )
    return size


def picture_name(picture: Picture | SourceImage, number: int) -> tuple[str, str]:
    """The name of a picture in rows, and in file names."""
    if isinstance(picture, SourceImage):
        return picture.name, (picture.path or PurePosixPath(picture.name)).stem
    if isinstance(picture, str | Path):
        return str(picture), Path(picture).stem
    return f"picture {number}", f"picture_{number}"


def as_pictures(images: Picture | Iterable[Picture]) -> Iterable[Picture]:
    """The pictures of a request; a single path or PIL image is one picture, not an iterable of them."""
    return [images] if isinstance(images, str | os.PathLike) or not isinstance(images, Iterable) else images


class OfPictures(Protocol):
    """The result for one picture."""

    @property
    def of_several(self) -> bool:
        """Whether the same call returns results of more pictures."""
        ...


Result = TypeVar("Result", bound=OfPictures)


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
    return source_images(registry, image) if isinstance(image, str | os.PathLike) else [image]


def source_images(registry: Registry, spec: str | os.PathLike[str]) -> Iterator[SourceImage]:
    """The pictures that a path or the spec of an image source stands for, such as ``zip:photos.zip``.

    Sources take precedence over files of such a name (write ``./zip:photos.zip``); a `Path` is always one.

    Raises
    ------
    FilterkitError
        The source is unknown, or as described for the source.
    """
    name, rest = "files", str(spec)
    if isinstance(spec, str):
        head, colon, after = spec.partition(":")
        bare = head.rpartition("/")[2]
        if colon and any(bare == each.name for each in registry.registrations("image-source")):
            name, rest = head, after
        elif colon and _SOURCE.fullmatch(bare) and not after.startswith("/") and not Path(spec).exists():
            name = head
    yield from registry.create("image-source", name).images(rest)


_SOURCE = re.compile("[a-z][a-z0-9-]+")
"""What the name of a source may be; a single letter is a drive, as in ``c:photos``."""


def found_pictures(registry: Registry, images: Iterable[Picture]) -> Iterator[Picture | SourceImage]:
    """The pictures, with paths and specs replaced by the pictures they stand for.

    Of a sequence, all are found before the first is yielded; an iterator is consumed lazily. The error about
    a missing one has a hint if its name was split at spaces.
    """
    if not isinstance(images, Sequence):
        for image in images:
            yield from _each(registry, image)
        return
    found: list[Picture | SourceImage] = []
    for place, image in enumerate(images):
        try:
            found += _each(registry, image)
        except ImageError as error:
            hint = hint_unquoted_picture(images[place:])
            if hint is None:
                raise
            raise UsageError(error.message, hint=hint) from None
    yield from found


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


def read_pictures(
    network: Network,
    model: Mapping[str, Any],
    preprocessing: Preprocessing,
    pictures: Iterable[Picture | SourceImage],
    size: Size,
    unreadable: Callable[[ImageError], None] | None,
    *,
    several: bool,
    files: Callable[[str], list[Path]] | None = None,
) -> Iterator[tuple[str, str, NDArray[Any]]]:
    """The name of each picture in rows and in file names, and its pixels; problems are reported once.

    `files` returns the files for a picture, which is left out if all exist.
    """
    from filterkit.catalog.model_input import has_placeholder_size
    from filterkit.graph.layers.picture_input import fixed_size
    from filterkit.image_sources.decoding import content_pixels
    from filterkit.runtime.pictures import report
    from filterkit.runtime.pixels import read_pixels

    declared = fixed_size(model["input_shape"], model["input_layout"])
    is_placeholder = size is None and has_placeholder_size(model) and network.takes_any_size(preprocessing)
    reported: set[str] = set()

    def report_once(kind: str, text: str) -> None:
        if kind not in reported:
            report(text + (" (further cases are not reported)" if several and kind == "range" else ""))
        reported.add(kind)

    stems: set[str] = set()
    skipped = 0
    for number, picture in enumerate(pictures):
        name, stem = picture_name(picture, number)
        stem = _distinct(stem, stems)  # before it is read, so that it is the same in every run
        if files and all(path.exists() for path in files(stem)):
            skipped += 1
            continue
        try:
            note = partial(report_once, "range")
            if isinstance(picture, SourceImage):
                pixels = content_pixels(picture.read(), picture.name, preprocessing, note=note)
            else:
                pixels = read_pixels(picture, preprocessing, note=note)
        except ImageError as error:
            if unreadable is None:
                raise
            unreadable(error)
            continue
        if is_placeholder and pixels.shape[:2] != declared:
            report_once(
                "size",
                f"pictures are resized to {declared[0]} × {declared[1]}, the input size in the file of "
                f"{model['name']}; if that is a placeholder, set another with --size 224 or --size original",
            )
        yield name, stem, pixels
    if skipped:
        report(f"skipped {skipped:,} picture{'s' * (skipped > 1)} whose files exist already")


def _distinct(stem: str, taken: set[str]) -> str:
    """Number pictures with equal file names, so that none overwrites the results of another."""
    name, count = stem, 1
    while name.casefold() in taken:  # some file systems do not distinguish A.png from a.png
        count += 1
        name = f"{stem}_{count}"
    taken.add(name.casefold())
    return name
