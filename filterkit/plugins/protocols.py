"""What a plugin contributes, as protocols: anything of the right shape fits, no base class is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TextIO, TypeVar, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from filterkit.graph.view.view import GraphView
    from filterkit.records import FetchedModel, FilterBank, FloatArray, Normalized, Skipped, TileSheet

Row = Mapping[str, Any]
"""One row of a command's output: column name to value (None, bool, int, float, str, or a list of those)."""

Progress = Callable[[str, int, "int | None"], None]
"""Called with what is being done, how many bytes of it are done, and of how many (None where unknown)."""


T = TypeVar("T")


@dataclass(frozen=True)
class Contribution(Generic[T]):
    """One thing a plugin adds, named and described without importing it.

    Attributes
    ----------
    name
        What users type: lower-case letters, digits, ``-``; unique among its kind.
    summary
        One line for listings.
    factory
        A callable that makes the object from its options, or ``"package.module:Class"``, imported when
        first used.
    extra
        The optional dependency group that it needs, e.g. ``"keras"``; named where an import fails.
    """

    name: str
    summary: str
    factory: Callable[..., T] | str
    extra: str | None = None


@runtime_checkable
class ModelSource(Protocol):
    """Brings a model, as an ONNX file, from wherever `scheme` points to."""

    @property
    def scheme(self) -> str: ...

    def fetch(self, ref: str, workdir: Path, progress: Progress) -> FetchedModel:
        """Fetch what `ref` (the text behind ``scheme:``) names; write only below `workdir`."""
        ...


@runtime_checkable
class WeightExtractor(Protocol):
    """Finds filter banks in a graph."""

    def extract(self, graph: GraphView) -> Iterator[FilterBank | Skipped]:
        """Yield one bank, or one reason, per convolution node, in the graph's order."""
        ...


@runtime_checkable
class Normalizer(Protocol):
    """Brings weights or feature maps to [0, 1]; a frozen dataclass whose fields are its options."""

    def normalize(self, values: FloatArray) -> Normalized:
        """Normalize `values` of shape (filters, kernels, *kernel_shape); the input is not changed."""
        ...


@runtime_checkable
class Renderer(Protocol):
    """Draws a sheet; a frozen dataclass whose fields are its options."""

    @property
    def media_type(self) -> str: ...

    @property
    def suffix(self) -> str: ...

    def render(self, sheet: TileSheet) -> bytes:
        """The finished picture as bytes; writes no file."""
        ...


@runtime_checkable
class FilterMetric(Protocol):
    """Measures every filter of a bank."""

    @property
    def columns(self) -> tuple[str, ...]: ...

    def measure(self, bank: FilterBank) -> dict[str, NDArray[np.generic]]:
        """One array per column, each of shape (out_channels,): floats, integers, booleans or texts.

        NaN and an empty text mean that a column is not defined for a filter: NULL in the catalog, where
        infinities are NULL too. Integers from 2**63 on are rounded to floats there. A text has 1,000 letters
        at most.
        """
        ...


@runtime_checkable
class LayerMetric(Protocol):
    """Measures a bank as a whole; may be a `FilterMetric` at the same time."""

    @property
    def layer_columns(self) -> tuple[str, ...]: ...

    def measure_layer(self, bank: FilterBank) -> dict[str, float]:
        """One number per column, kept as a float.

        NaN means that a column is not defined for the layer: NULL in the catalog, as infinities are.
        """
        ...


@runtime_checkable
class OutputFormat(Protocol):
    """Writes rows, e.g. as CSV.

    One that writes bytes says ``binary = True`` and writes to ``stream.buffer``, which then is no terminal.
    """

    def write(self, rows: Iterable[Row], columns: tuple[str, ...], stream: TextIO) -> None:
        """Write `rows`, whose keys are `columns`, to `stream`, as they come."""
        ...
