"""The picture of one model in one style: what the catalog knows of it, its tiles, and where everything is."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from filterkit import __version__
from filterkit.errors import NotFoundError, UsageError
from filterkit.web.atlas import mipmaps, shelves
from filterkit.web.atlas.raster import Raster, Shades, scale_of
from filterkit.web.atlas.styles import Style, png

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Row
    from filterkit.workbench import Workbench

TILE = 256
"""Side of a tile in pixels."""

DRAWING = (__version__, TILE, 1)
"""What else determines the pixels of a tile; the last number changes with the way that they are drawn."""


@dataclass(frozen=True)
class Picture:
    """Every kernel of a model.

    Attributes
    ----------
    version
        A hash of all that determines its pixels.
    layers
        The addresses of its layers.
    orders
        The filter in each slot of each layer, if they are sorted.
    ranges
        The smallest and the largest value of the metric in each layer, if they are coloured by one.
    """

    model: str
    style: Style
    version: str
    layers: Sequence[str]
    banks: Sequence[NDArray[Any]]
    layout: shelves.Layout
    orders: Sequence[NDArray[np.int32]] | None
    colours: Sequence[Shades] | None
    ranges: Sequence[tuple[float, float] | None] | None

    @cached_property
    def levels(self) -> int:
        """How often it is halved to fit into one tile."""
        return (max(-(-self.layout.width // TILE), -(-self.layout.height // TILE)) - 1).bit_length()

    @cached_property
    def palette(self) -> bytes:
        return self.style.palette()

    @cached_property
    def raster(self) -> Raster:
        scales = [1.0 if self.colours else scale_of(bank) for bank in self.banks]
        magnitudes = self.style.look == "magnitudes"
        return Raster(self.layout, self.banks, scales, self.orders, self.colours, magnitudes)

    @cached_property
    def overviews(self) -> Mapping[int, Shades]:
        made = mipmaps.overviews(self.raster.region, self.layout.width, self.layout.height, self.levels)
        for bank in self.banks:
            _unload(bank)
        return made

    @property
    def size(self) -> int:
        """Bytes that it takes in memory."""
        own: tuple[NDArray[Any], ...] = (
            *self.overviews.values(),
            *(self.orders or ()),
            *(self.colours or ()),
        )
        return sum(each.nbytes for each in own)

    def tile(self, z: int, x: int, y: int) -> bytes:
        """A tile as PNG; level 0 is the whole picture in one tile.

        Raises
        ------
        NotFoundError
            There is no such tile.
        """
        halvings = self.levels - z
        if not (0 <= halvings <= self.levels and x * TILE << halvings < self.layout.width):
            raise NotFoundError("there is no such tile")
        if y * TILE << halvings >= self.layout.height:
            raise NotFoundError("there is no such tile")
        return png(self._shades(halvings, x * TILE, y * TILE), self.palette)

    def _shades(self, halvings: int, x: int, y: int) -> Shades:
        if halvings in self.overviews:
            return self.overviews[halvings][y : y + TILE, x : x + TILE]
        left, top, side = x << halvings, y << halvings, TILE << halvings
        box = left, top, min(side, self.layout.width - left), min(side, self.layout.height - top)
        return mipmaps.mean(mipmaps.halved(self.raster.region, box, halvings))

    def place(self, address: str) -> shelves.Box:
        """Where a layer, a filter or a kernel is.

        Raises
        ------
        UsageError
            It is no address of one of these.
        NotFoundError
            The model has no such layer, filter or kernel.
        """
        from filterkit.web import links

        model, *rest = address.strip().strip("/").split("/")
        if links.href(address) is None or not rest:
            raise UsageError(
                f"'{address}' is not the address of a layer, a filter or a kernel", hint=links.GRAMMAR
            )
        name = f"{model}/{rest[0]}"
        if name not in self.layers:
            raise NotFoundError(f"there is no layer '{rest[0]}' of {model} in this atlas")
        number = self.layers.index(name)
        layer, numbers = self.layout.layers[number], [*map(int, rest[1:])]
        for each, count in zip(numbers, (layer.shape.filters, layer.shape.kernels), strict=False):
            if each >= count:
                raise NotFoundError(f"there is no '{address}'", hint=f"their numbers are 0 to {count - 1}")
        if not numbers:
            return layer.box
        slot = numbers[0]
        if self.orders is not None:
            slot = int(np.flatnonzero(self.orders[number] == slot)[0])
        return layer.place(slot, *numbers[1:])

    def plan(self) -> Row:
        """All that finds the address of a point, and draws the picture from its tiles."""
        layers = []
        for number, (address, layer) in enumerate(zip(self.layers, self.layout.layers, strict=True)):
            x, y, width, height = layer.box
            about: dict[str, Any] = {"address": address, "x": x, "y": y, "width": width, "height": height}
            about |= {"filters": layer.shape.filters, "kernels": layer.shape.kernels, "across": layer.across}
            about |= {"columns": layer.block.columns, "rows": layer.block.rows, "margin": layer.block.margin}
            about |= {
                "block": layer.block.size(layer.shape),
                "cell": layer.shape.cell,
                "gap": layer.shape.gap,
            }
            if self.colours is None:
                about["scale"] = self.raster.scales[number]
            if self.orders is not None:
                about["order"] = self.orders[number].tolist()
            layers.append(about)
        size = {"width": self.layout.width, "height": self.layout.height}
        return {"model": self.model, **size, "tile": TILE, "levels": self.levels, "layers": layers}


def picture(bench: Workbench, model: str, style: Style) -> Picture:
    """The picture of a model as it is in the catalog now; what is slow is done when it is first needed.

    Raises
    ------
    NotFoundError
        There is no such model, or nothing could be extracted from it.
    UsageError
        There is no such column, or it has no numbers to colour by.
    CatalogError
        The store does not contain its banks.
    """
    weights = _weights_sha256(bench, model)
    rows = bench.layers(model)
    banks = [np.asarray(bench.bank(row["address"])) for row in rows]
    shapes = tuple(shelves.LayerShape.of(bank.shape) for bank in banks)
    names = {row["layer"]: number for number, row in enumerate(rows)}
    parts: list[Any] = [weights, str(style), DRAWING]
    orders = colours = ranges = None
    if style.sort is not None:
        orders = _orders(bench, model, style.sort, names, shapes)
        parts += [each.tobytes() for each in orders]
    if style.metric is not None:
        colours, ranges = _colours(bench, model, style.metric, names, shapes)
        parts += [each.tobytes() for each in colours]
    if _weights_sha256(bench, model) != weights:
        raise NotFoundError("the model was replaced", hint="reload the page")
    version = hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
    layout = shelves.arrange(shapes)
    return Picture(model, style, version, rows["address"], banks, layout, orders, colours, ranges)


def _unload(bank: Any) -> None:
    """Free the memory into which a mapped file was read; what is needed again is read again."""
    while isinstance(bank, np.ndarray):
        bank = bank.base
    if isinstance(bank, mmap.mmap) and hasattr(bank, "madvise"):  # not on Windows
        bank.madvise(mmap.MADV_DONTNEED)


def _weights_sha256(bench: Workbench, model: str) -> str:
    _, rows = bench.iter_filters(model, columns=("model", "model.banks_sha256"), limit=1)
    row = next(rows, None)
    if row is None or row["model"] != model:
        raise NotFoundError(f"there is no model '{model}' in the catalog")
    return str(row["model.banks_sha256"])


def _values(bench: Workbench, model: str, column: str, sort: str | None) -> Any:
    if column not in bench.iter_filters(model, limit=0)[0]:
        raise UsageError(f"filters have no column '{column}'", hint="`filterkit filters` shows them")
    return bench.iter_filters(model, columns=("layer", "filter", column), sort=sort)[1]


def _orders(
    bench: Workbench, model: str, sort: str, names: Mapping[str, int], shapes: Sequence[shelves.LayerShape]
) -> list[NDArray[np.int32]]:
    """The filters of each layer in the order of the catalog."""
    found: list[list[int]] = [[] for _ in names]
    for row in _values(bench, model, sort.lstrip("-"), sort):
        found[names[row["layer"]]].append(row["filter"])
    orders = [np.array(each, np.int32) for each in found]
    for order, shape in zip(orders, shapes, strict=True):
        if not np.array_equal(np.sort(order), np.arange(shape.filters)):
            raise NotFoundError("the model was changed", hint="reload the page")
    return orders


def _colours(
    bench: Workbench, model: str, metric: str, names: Mapping[str, int], shapes: Sequence[shelves.LayerShape]
) -> tuple[list[Shades], list[tuple[float, float] | None]]:
    """A shade for the value of each filter, stretched per layer; none for those without one."""
    values = [np.full(shape.filters, np.nan) for shape in shapes]
    for row in _values(bench, model, metric, None):
        value = row[metric]
        if not isinstance(value, int | float | None):
            raise UsageError(f"'{metric}' has no numbers to colour by", hint="choose another column")
        if value is not None and row["filter"] < len(values[names[row["layer"]]]):
            values[names[row["layer"]]][row["filter"]] = value
    colours: list[Shades] = []
    ranges: list[tuple[float, float] | None] = []
    for each in values:
        known = np.isfinite(each)
        low, high = (float(each[known].min()), float(each[known].max())) if known.any() else (0.0, 0.0)
        with np.errstate(over="ignore", invalid="ignore"):
            share = (each - low) / (high - low) if high > low else np.full(each.shape, 0.5)
        colours.append(np.where(known, 1 + np.rint(254 * np.where(known, share, 0)), 0).astype(np.uint8))
        ranges.append((low, high) if known.any() else None)
    return colours, ranges
