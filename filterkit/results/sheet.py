"""Sheets: tiles that display themselves in a notebook, and what can be converted to them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from filterkit.errors import UsageError
from filterkit.records import TileSheet

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Normalizer

GRID_LIMIT = 600
"""Sheets with more tiles are drawn as a mosaic by default, as their labels would be too small."""

GRID_SIDE = 8_000
"""Sheets with more pixels per row or column are also drawn as a mosaic; grid has no room for their labels."""


def suits_grid(sheet: TileSheet) -> bool:
    """Whether a sheet is drawn with labels by default."""
    height, width = sheet.tile_shape
    return sheet.count <= GRID_LIMIT and max(sheet.rows * height, sheet.columns * width) <= GRID_SIDE


@dataclass(frozen=True, slots=True, eq=False)
class Sheet(TileSheet):
    """A `TileSheet` that displays itself in a notebook."""

    @classmethod
    def of(cls, sheet: TileSheet) -> Sheet:
        """The same sheet as a `Sheet`."""
        return cls(**{field.name: getattr(sheet, field.name) for field in fields(TileSheet)})

    def _repr_png_(self) -> bytes:
        if suits_grid(self):
            from filterkit.renderers.grid import Grid

            with suppress(UsageError):  # even a few maps may be too large for a figure
                return Grid().render(self)
        from filterkit.renderers.mosaic import Mosaic

        return Mosaic(caption=True).render(self)


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
