"""Pictures in files and folders, their natural order, and the classes that folders stand for."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path, PurePath
from typing import TypeVar
from unicodedata import decimal

from filterkit.address import refuse_url
from filterkit.errors import ImageError, UsageError
from filterkit.records import SourceImage
from filterkit.runtime.pictures import DOWNLOAD, GIVE, missing_picture, picture_file

P = TypeVar("P", bound=PurePath)

MOST_BYTES = 1 << 30
"""Maximum size of a picture file in bytes; enough for the largest picture without compression."""

CHECK = "check its name and permissions"


class FileImages:
    """The picture files in a folder, or a single file.

    A folder stands for the pictures directly in it, or if there are none, for those in its subfolders.
    In both cases, ``.npy`` files are taken where there is no picture. Links to folders are not followed.
    """

    def images(self, spec: str) -> Iterator[SourceImage]:
        """See `ImageSource.images`.

        Raises
        ------
        ImageError
            The path does not exist, or the folder cannot be read or contains no pictures.
        UsageError
            It is a URL.
        """
        refuse_url(spec, "expected a picture file", hint=DOWNLOAD)
        root = Path(spec)
        if not spec or not exists(root):
            raise (
                missing_picture(root) if spec else UsageError("files: needs a path", hint="e.g. files:photos")
            )
        if not root.is_dir():
            yield image_file(root)
            return
        beside, below = _listed(root)
        found = pictures_among(beside)
        unreadable: list[SourceImage] = []
        if not found:
            found = pictures_among(_below(below, unreadable))
        if not found and not unreadable:
            links = [path for path in root.iterdir() if path.is_symlink()]
            broken = [path for path in links if not exists(path)]
            hint = "links to folders are not followed" if links else GIVE
            if broken:
                hint = f"{broken[0].name} is a link to a file that does not exist"
            raise ImageError(f"folder {root} contains no pictures", hint=hint)
        places = [path.relative_to(root).parts for path in found]
        for path, label in zip(found, labels(places), strict=True):
            yield image_file(path, label)
        yield from unreadable


def exists(path: Path) -> bool:
    """Whether there is a file or folder; also of names that are too long."""
    try:
        return path.exists()
    except OSError:
        return False


def named_file(spec: str, source: str) -> Path:
    """The file that the spec of a source names; raises UsageError or ImageError if there is none."""
    if not spec:
        raise UsageError(f"{source}: needs a file", hint=f"e.g. {source}:FILE")
    path = Path(spec)
    if not exists(path):
        raise ImageError(f"file {path} does not exist", hint=f"{source}: takes the path of a file")
    if path.is_dir():
        raise ImageError(f"{path} is a folder", hint=f"{source}: takes the path of a file")
    return path


def image_file(path: Path, label: str | None = None) -> SourceImage:
    """The picture in a file, which need not exist until it is read."""
    return SourceImage(str(path), _FileReader(path), label, path)


@dataclass(frozen=True, slots=True)
class _FileReader:
    """Reads a file when it is called; a partial takes four times the memory, and there is one per picture."""

    path: Path

    def __call__(self) -> bytes:
        return read_file(self.path)


def read_file(path: Path) -> bytes:
    """The content of a picture file; raises ImageError."""
    try:
        with picture_file(path).open("rb") as opened:
            size = os.fstat(opened.fileno()).st_size  # memory for all that is asked for is allocated at once
            content = opened.read(min(size, MOST_BYTES) + 1)
    except OSError as error:
        raise ImageError(f"cannot read {path}: {error.strerror}", hint=CHECK) from error
    if len(content) > MOST_BYTES:
        raise too_large(str(path))
    return content


def too_large(name: str) -> ImageError:
    """The error for a picture that has or unpacks to more than `MOST_BYTES`."""
    return ImageError(
        f"{name} is larger than the limit of {MOST_BYTES:,} bytes", hint="use a smaller picture"
    )


def unreadable_image(name: str, error: ImageError) -> SourceImage:
    """A picture that is known but cannot be read."""

    def read() -> bytes:
        raise error

    return SourceImage(name, read)


def natural_order(path: PurePath) -> str:
    """A sort key that compares runs of digits as numbers, folder by folder.

    It is a text, as lists of texts and numbers would take several times the memory of the pictures' names.
    """
    names = [(part, part) for part in path.parts[:-1]] + [(path.stem, path.name)]
    return "".join(f"{_DIGITS.sub(_by_length, stem)}\0\0{name}\0" for stem, name in names)


_DIGITS = re.compile(r"\d+")


def _by_length(run: re.Match[str]) -> str:
    digits = "".join(str(decimal(digit)) for digit in run[0]).lstrip("0")
    # Of two numbers, the longer one is the greater one.
    return f"\0{chr(1 + len(digits))}{digits}"


def pictures_among(paths: Iterable[P]) -> list[P]:
    """The pictures by their suffix, or the ``.npy`` files if there are none, in natural order."""
    from PIL import Image

    suffixes = Image.registered_extensions()
    paths = list(paths)
    found = [path for path in paths if path.suffix.lower() in suffixes]
    found = found or [path for path in paths if path.suffix.lower() == ".npy"]
    return sorted(found, key=natural_order)


def pictures_below(folder: Path) -> list[SourceImage]:
    """All pictures in a folder and its subfolders; none if it is not a folder or cannot be read."""
    from PIL import Image

    if not exists(folder) or not folder.is_dir():
        return []
    suffixes = {*Image.registered_extensions(), ".npy"}
    return [image_file(path) for path in _below([folder], []) if path.suffix.lower() in suffixes]


def labels(places: Sequence[tuple[str, ...]]) -> list[str | None]:
    """The class of each picture: its first folder below what all have in common, if each has one.

    Parameters
    ----------
    places
        The parts of each picture's path.
    """
    folders = [place[:-1] for place in places]
    ends = zip(min(folders, default=()), max(folders, default=()), strict=False)
    depth = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], ends))
    if any(len(place) < depth + 2 for place in places):
        return [None] * len(places)
    return [place[depth] for place in places]


def _listed(folder: Path) -> tuple[list[Path], list[Path]]:
    """The files and the subfolders of a folder; raises ImageError."""
    files, folders = [], []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(folder / entry.name)
                elif entry.is_file():
                    files.append(folder / entry.name)
    except OSError as error:
        raise ImageError(f"cannot read folder {folder}: {error.strerror}", hint=CHECK) from error
    return files, folders


def _below(folders: list[Path], unreadable: list[SourceImage]) -> list[Path]:
    """All files in folders and their subfolders; those that cannot be read are added to `unreadable`."""
    found: list[Path] = []
    while folders:
        folder = folders.pop()
        try:
            files, more = _listed(folder)
        except ImageError as error:
            unreadable.append(unreadable_image(str(folder), error))
            continue
        found += files
        folders += more
    return found
