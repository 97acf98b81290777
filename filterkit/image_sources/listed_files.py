"""Pictures listed in a text file, with or without a class."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from filterkit.address import refuse_url
from filterkit.errors import ImageError
from filterkit.image_sources.files import CHECK, image_file, named_file
from filterkit.records import SourceImage
from filterkit.runtime.pictures import DOWNLOAD

LONGEST_LINE = 1 << 13
"""Number of characters per line from which it is refused; a path has at most 4,096."""

EACH_LINE = "a line has a path, or a path, a comma and a label; quote a path that contains a comma"


class ListedFiles:
    """The pictures listed in a text file, one path per line, optionally with a comma and a label after it.

    Lines are CSV: a path that contains a comma or a quotation mark is quoted. Paths are relative to the
    folder of the list. Empty lines are ignored.
    """

    def images(self, spec: str) -> Iterator[SourceImage]:
        """See `ImageSource.images`. All lines are checked first; the files are not.

        Raises
        ------
        ImageError
            The list does not exist, cannot be read or is empty, or a line has more than two columns.
        UsageError
            A line is a URL.
        """
        path = named_file(spec, "list")
        try:
            with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
                rows = [*_rows(file, path)]
        except OSError as error:
            raise ImageError(f"cannot read {path}: {error.strerror}", hint=CHECK) from error
        if not rows:
            raise ImageError(f"{path} lists no pictures", hint=EACH_LINE)
        for name, label in rows:
            yield image_file(path.parent / name, label)


def _rows(file: TextIO, path: Path) -> Iterator[tuple[str, str | None]]:
    """The path and the label in each line."""
    lines = csv.reader(_lines(file, path), strict=True)
    try:
        for columns in lines:
            place = f"line {lines.line_num:,} of {path}"
            if not "".join(columns).strip():
                continue
            if len(columns) > 2 or not columns[0].strip():
                has = f"{len(columns)} columns" if len(columns) > 2 else "no path"
                raise ImageError(f"{place} has {has}", hint=EACH_LINE)
            refuse_url(columns[0].strip(), f"{place} must be a path", hint=DOWNLOAD)
            yield columns[0].strip(), "".join(columns[1:]).strip() or None
    except csv.Error as error:
        raise ImageError(f"line {lines.line_num:,} of {path} is not CSV: {error}", hint=EACH_LINE) from error


def _lines(file: TextIO, path: Path) -> Iterator[str]:
    """The lines, of which none is too long to be read."""
    while line := file.readline(LONGEST_LINE):
        if "\0" in line:
            raise ImageError(f"{path} is not a text file in UTF-8", hint=EACH_LINE)
        if len(line) == LONGEST_LINE:
            raise ImageError(f"{path} has a line of {LONGEST_LINE:,} characters or more", hint=EACH_LINE)
        yield line
