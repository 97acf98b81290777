"""Rendered pictures: bytes that display themselves in a notebook, and can be saved."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any

from filterkit.errors import FilterkitError, UsageError

KINDS = {
    ".png": b"\x89PNG\r\n\x1a\n",
    ".jpg": b"\xff\xd8\xff",
    ".webp": b"RIFF",
    ".pdf": b"%PDF-",
    ".svg": b"<svg",
    ".html": b"<html",
}
"""The kinds of files that are recognized, by suffix, with how they begin."""

HEAD = 1_000
"""Number of bytes in which to look for the root element of an SVG or HTML file, after its preamble."""


class Rendered(bytes):
    """The content of a picture file; PNG, JPEG and SVG pictures display themselves in a notebook."""

    @property
    def suffix(self) -> str:
        """The suffix of such files, e.g. ``".png"``; ``".txt"`` for what is not recognized."""
        head = bytes(self[:HEAD]).lower()
        for suffix, start in KINDS.items():
            if start in head if start.startswith(b"<") else self.startswith(start):
                return suffix
        return ".txt"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture to a file; a name without a suffix gets that of its format.

        Raises
        ------
        UsageError
            The suffix is that of another format.
        """
        from filterkit.atomic_writes import write_file

        target = Path(path)
        if not target.suffix:
            target = target.with_name(target.name + self.suffix)
        wanted = target.suffix.lower().replace(".jpeg", ".jpg")
        if wanted != self.suffix and {wanted, self.suffix} <= KINDS.keys():
            raise UsageError(
                f"this picture is in the format {self.suffix}, not {wanted}",
                hint=f"save it as {target.stem}{self.suffix}, or draw it as {wanted}",
            )
        write_file(target, self)

    def show(self) -> None:
        """Display the picture: in a notebook below the cell, else with a program of this computer.

        Raises
        ------
        FilterkitError
            It is not of pixels, or there is no such program.
        """
        notebook: Any = sys.modules.get("IPython")
        if notebook is not None and notebook.get_ipython() is not None:
            notebook.display.display(self)
            return
        from PIL import Image, ImageShow

        if self.suffix not in (".png", ".jpg", ".webp"):
            raise UsageError(f"only pixels can be shown, not {self.suffix}", hint="write it with .save(PATH)")
        if not ImageShow.show(Image.open(io.BytesIO(self))):
            raise FilterkitError("no program to show pictures was found", hint="write it with .save(PATH)")

    def __repr__(self) -> str:
        size = ""
        if self.suffix == ".png":  # its header has them as two integers of four bytes
            width, height = (int.from_bytes(self[start : start + 4], "big") for start in (16, 20))
            size = f"{width:,} × {height:,} pixels, "
        kind = "text" if self.suffix == ".txt" else self.suffix[1:].upper()
        return f"<{kind} picture, {size}{len(self):,} bytes>"

    __str__ = __repr__  # that of bytes would be the whole content

    def _repr_png_(self) -> bytes | None:
        return self if self.suffix == ".png" else None

    def _repr_jpeg_(self) -> bytes | None:
        return self if self.suffix == ".jpg" else None

    def _repr_svg_(self) -> str | None:
        return self.decode("utf-8") if self.suffix == ".svg" else None
