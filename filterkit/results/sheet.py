"""Sheets: tiles that display themselves in a notebook, and what can be converted to them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from filterkit.errors import UsageError
from filterkit.records import TileSheet
from filterkit.renderers.rendered import Rendered

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from filterkit.plugins.protocols import Normalizer
    from filterkit.plugins.registry import Registry
    from filterkit.records import FloatArray


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Sheet(TileSheet):
    """A `TileSheet` that displays itself in a notebook.

    As an array (``plt.imshow(sheet)``, ``numpy.asarray(sheet)``) it is the picture that a notebook displays,
    shape (height, width, 3), uint8. `tiles` has the tiles, `values` what they show.
    """

    @classmethod
    def of(cls, sheet: TileSheet) -> Sheet:
        """The same sheet as a `Sheet`."""
        return cls(**{field.name: getattr(sheet, field.name) for field in fields(TileSheet)})

    def save(self, path: str | os.PathLike[str], renderer: str | None = None, **options: Any) -> None:
        """Draw the sheet to a file; without a suffix, to a PNG file.

        Parameters
        ----------
        path
            The file; its suffix chooses the format, as in `Workbench.draw`.
        renderer, options
            As in `Workbench.render`; renderers of installed plugins can be used. The tiles stay normalized as
            they are: for a diverging ``colormap``, make the sheet with it (`Workbench.sheet`), so that zero
            is in its middle.

        Raises
        ------
        UsageError
            The renderer is unknown, does not write such files, or refuses the sheet.
        """
        from filterkit.atomic_writes import write_file
        from filterkit.renderers.drawing import render, suffixes

        target, registry = Path(path), installed()
        if not target.suffix and not target.is_dir():
            suffix = suffixes(registry, renderer)[0] if renderer else ".png"
            target = target.with_name(target.name + suffix)
        write_file(target, render(registry, self, renderer, target.suffix, options))

    def show(self) -> None:
        """Display the picture: in a notebook below the cell, else with a program of this computer.

        Raises
        ------
        FilterkitError
            There is no such program.
        """
        Rendered(self._repr_png_(), ".png").show()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[np.uint8]:
        import io

        import numpy as np
        from PIL import Image

        if copy is False:
            raise ValueError("the picture of a sheet is drawn, so there is no array of it without a copy")
        with Image.open(io.BytesIO(self._repr_png_())) as picture:
            # In colour even if gray, for which matplotlib would choose other colours.
            return np.array(picture.convert("RGB"), dtype=dtype)

    def _repr_png_(self) -> bytes:
        from filterkit.renderers.display import display_png

        return display_png(self)


@runtime_checkable
class Drawable(Protocol):
    """A result that can be converted to a sheet."""

    @property
    def default_normalizer(self) -> str:
        """The default normalizer, as a spec string."""
        ...

    def to_sheet(self, normalizer: Normalizer) -> TileSheet:
        """Arrange the result for drawing."""
        ...


class Pictured:
    """The methods of a `Drawable` that draw it."""

    __slots__ = ()

    def save(
        self: Drawable,
        path: str | os.PathLike[str],
        normalizer: str | None = None,
        renderer: str | None = None,
        **options: Any,
    ) -> None:
        """Draw the result to a file; without a suffix, to a PNG file.

        Parameters
        ----------
        path
            The file; its suffix chooses the format, as in `Workbench.draw`.
        normalizer
            As in `Workbench.sheet`; the default is symmetric about zero for a diverging ``colormap``.
        renderer, options
            As in `Workbench.render`; those of installed plugins can be used.

        Raises
        ------
        UsageError
            The normalizer or renderer is unknown, or they refuse the result.
        """
        from filterkit.plugins.options import chosen_option

        colormap = chosen_option(renderer, "colormap", options.get("colormap"))
        drawn(installed(), self, normalizer, colormap).save(path, renderer, **options)

    def show(self: Drawable) -> None:
        """Display the picture, as `Sheet.show` does."""
        drawn(installed(), self).show()


def drawn(
    registry: Registry, result: Drawable, normalizer: str | None = None, colormap: str | None = None
) -> Sheet:
    """The sheet of a result, without the metrics that only the catalog has."""
    made = registry.create("normalizer", normalizer or for_colormap(result.default_normalizer, colormap))
    sheet = result.to_sheet(made)
    about = {**sheet.provenance, "normalizer": made.spec}
    return Sheet.of(replace(sheet, provenance=about, colormap=colormap or sheet.colormap))


def for_colormap(normalizer: str, colormap: str | None) -> str:
    """The default normalizer, but symmetric about zero if a diverging colormap shows the sign."""
    from filterkit.renderers.canvas import is_diverging

    name, colon, options = normalizer.partition(":")
    signed = name == "minmax" and colormap and is_diverging(colormap)
    return f"symmetric{colon}{options}" if signed else normalizer


def saved_as_arrays(
    arrays: Mapping[str, FloatArray],
    path: Path,
    normalizer: str | None,
    renderer: str | None,
    options: object,
) -> bool:
    """Write arrays if `path` is a file of arrays; False if it is not.

    Raises
    ------
    UsageError
        There are options of drawing, too.
    """
    from filterkit.formats.arrays import ARRAYS, write_arrays

    if path.suffix.lower() not in ARRAYS or path.is_dir():
        return False
    if normalizer or renderer or options:
        raise UsageError(f"{path.suffix} files have arrays, which are not drawn")
    write_arrays(arrays, path)
    return True


def installed() -> Registry:
    """The contributions of the installed plugins: a result outlives its workbench."""
    from filterkit.plugins.host import load_plugins
    from filterkit.plugins.registry import Registry

    return Registry(load_plugins())
