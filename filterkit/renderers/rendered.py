"""What renderers return: bytes that display themselves in a notebook, and can be saved."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any, Self

from filterkit.errors import FilterkitError, UsageError

PIXELS = (".png", ".jpg", ".jpeg", ".webp")


class Rendered(bytes):
    """The content of a picture file; PNG, JPEG and SVG pictures display themselves in a notebook.

    Attributes
    ----------
    suffix
        The suffix of such files, e.g. ``".png"``. It is that of the renderer: a text may begin like an SVG.
    """

    suffix: str

    def __new__(cls, content: bytes, suffix: str) -> Self:
        self = super().__new__(cls, content)
        self.suffix = suffix
        return self

    def __getnewargs__(self) -> tuple[bytes, str]:  # type: ignore[override]
        return bytes(self), self.suffix

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
        given, own = (each.lower().replace(".jpeg", ".jpg") for each in (target.suffix, self.suffix))
        if given != own:
            raise UsageError(
                f"this picture is in the format {own}, not {given}",
                hint=f"save it as {target.stem}{own}, or draw it as {given}",
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

        if self.suffix not in PIXELS:
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
        return self if self.suffix in (".jpg", ".jpeg") else None

    def _repr_svg_(self) -> str | None:
        return self.decode("utf-8") if self.suffix == ".svg" else None
