"""Protocols of contributions: structural types, so no base class is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TextIO, TypeVar, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from filterkit.attribution.subject import Subject
    from filterkit.graph.gradient.backward import Backward
    from filterkit.graph.view.view import GraphView
    from filterkit.records import (
        FetchedModel,
        FilterBank,
        FloatArray,
        Normalized,
        Skipped,
        SourceImage,
        TileSheet,
    )
    from filterkit.results.rows import Rows
    from filterkit.workbench import Workbench

    Summary = dict[str, NDArray[np.generic]]

Row = Mapping[str, Any]
"""One row of a command's output: column name to value (None, bool, int, float, str, or a list of those)."""

Progress = Callable[[str, int, "int | None"], None]
"""Called with a description of the step, the bytes done, and the total (None if unknown)."""


T = TypeVar("T")


@dataclass(frozen=True)
class Contribution(Generic[T]):
    """A contribution of a plugin, named and described without importing it.

    Attributes
    ----------
    name
        Name for users: lower-case letters, digits, ``-``; unique among its kind.
    summary
        One line for listings.
    factory
        A callable that makes the object from its options, or ``"package.module:Class"``, imported when
        first used.
    extra
        The optional dependency group (extra) that it needs, e.g. ``"keras"``; named if an import fails.
    """

    name: str
    summary: str
    factory: Callable[..., T] | str
    extra: str | None = None


@runtime_checkable
class ModelSource(Protocol):
    """Fetches models as ONNX files."""

    @property
    def scheme(self) -> str: ...

    def fetch(self, ref: str, workdir: Path, progress: Progress) -> FetchedModel:
        """Fetch the model that `ref` (the text after ``scheme:``) names; write only in `workdir`."""
        ...


@runtime_checkable
class WeightExtractor(Protocol):
    """Finds filter banks in a graph."""

    def extract(self, graph: GraphView) -> Iterator[FilterBank | Skipped]:
        """Yield a bank, or the reason for skipping it, for each convolution node, in graph order."""
        ...


@runtime_checkable
class Normalizer(Protocol):
    """Maps weights or feature maps to [0, 1]; a frozen dataclass whose fields are its options."""

    def normalize(self, values: FloatArray) -> Normalized:
        """Normalize `values` of shape (filters, kernels, *kernel_shape); the input is not modified."""
        ...


@runtime_checkable
class Renderer(Protocol):
    """Draws a sheet; a frozen dataclass whose fields are its options."""

    @property
    def media_type(self) -> str: ...

    @property
    def suffix(self) -> str: ...

    def render(self, sheet: TileSheet) -> bytes:
        """The picture as bytes; must not write files."""
        ...


@runtime_checkable
class FilterMetric(Protocol):
    """Measures every filter of a bank."""

    @property
    def columns(self) -> tuple[str, ...]: ...

    def measure(self, bank: FilterBank) -> dict[str, NDArray[np.generic]]:
        """One array per column, each of shape (out_channels,): floats, integers, booleans or strings.

        NaN and empty strings mean that a column is undefined for a filter. They are stored as NULL, as are
        infinities. Integers of 2**63 and more are stored as floats. Strings are limited to 1,000 characters.
        """
        ...


@runtime_checkable
class LayerMetric(Protocol):
    """Measures a bank as a whole; may be a `FilterMetric` at the same time."""

    @property
    def layer_columns(self) -> tuple[str, ...]: ...

    def measure_layer(self, bank: FilterBank) -> dict[str, float]:
        """One number per column, stored as a float.

        NaN means that a column is undefined for the layer. It is stored as NULL, as are infinities.
        """
        ...


@runtime_checkable
class OutputFormat(Protocol):
    """Writes rows, e.g. as CSV.

    A format that writes bytes has ``binary = True`` and writes to ``stream.buffer``, which is then not a
    terminal. If ``write`` has a fourth parameter ``types``, it is given the Python types of those columns for
    which they are known, such as ``{"cosine": float, "shape": list[int]}``.
    """

    def write(self, rows: Iterable[Row], columns: tuple[str, ...], stream: TextIO) -> None:
        """Write `rows`, whose keys are `columns`, to `stream`, one by one."""
        ...


@runtime_checkable
class ResponseMetric(Protocol):
    """Statistics of each filter over the feature maps of all pictures; a frozen dataclass of its options.

    Maps are summarized batch by batch. A summary is a mapping from names to arrays of fixed size, which are
    stored while an observation is unfinished, and merged: nothing else is kept between batches.
    """

    @property
    def columns(self) -> tuple[str, ...]: ...

    def summarize(self, maps: NDArray[np.float32]) -> Summary:
        """What is kept of maps of shape (pictures, filters, *spatial), which are finite and read-only.

        The arrays contain finite numbers or booleans. Their names, dtypes and shapes depend on the number of
        filters only: not on the number of pictures, which is at least 1, or on the size of the maps.
        """
        ...

    def merge(self, one: Summary, other: Summary) -> Summary:
        """The summary of all pictures of two summaries, which are read-only."""
        ...

    def values(self, summary: Summary) -> dict[str, NDArray[np.generic]]:
        """One array of numbers or booleans per column, each of shape (filters,).

        NaN means that a column is undefined for a filter. It is stored as NULL, as are infinities.
        """
        ...


@runtime_checkable
class GradientRule(Protocol):
    """Differentiates nodes of some operators."""

    @property
    def operators(self) -> tuple[tuple[str, str], ...]:
        """Pairs of domain (empty for the standard operators) and type, e.g. ``(("", "Relu"),)``."""
        ...

    def backward(self, step: Backward) -> Sequence[str | None]:
        """Add nodes that compute the gradient of each input of a node from those of its outputs.

        Returns
        -------
        sequence
            The name of the gradient of each input, of the input's shape; None where none flows. Those that
            are not in ``step.needed`` are ignored, and missing ones at the end are None.
        """
        ...


@runtime_checkable
class AttributionMethod(Protocol):
    """Says how much each pixel of a picture contributes to a target; a frozen dataclass of its options."""

    @property
    def local(self) -> bool:
        """Whether pixels outside the receptive field of the target get 0, and do not matter for the others.

        Only the receptive field is then computed, if the target is a single position.
        """
        ...

    def attribute(self, subject: Subject) -> FloatArray:
        """The attribution of ``subject.picture``, with its shape (C, H, W), or (1, H, W) for all channels."""
        ...


@runtime_checkable
class ImageSource(Protocol):
    """Finds pictures to run networks on, or inputs for networks that take no pictures."""

    def images(self, spec: str) -> Iterable[SourceImage]:
        """The pictures that `spec` (the text after ``name:``) stands for.

        They have the same names in the same order every time, as work that was interrupted continues after
        those that are done. Nothing is read until `SourceImage.read` is called.
        """
        ...


PanelKind = Literal["model", "layer", "filter", "kernel"]
"""What a page of the explorer is about."""


@dataclass(frozen=True)
class PanelContent:
    """What a panel shows: a table, pictures, both, or a template that arranges them.

    Attributes
    ----------
    rows
        A table: a result of the workbench, or a sequence of mappings. Values of columns whose names begin
        with ``address`` or end with ``_address`` are links with thumbnails. The page offers all rows as JSON
        and CSV.
    columns
        The columns to show, in order; by default those of the rows.
    caption
        One line about the table.
    sheets
        Pictures by their captions, which are also their names in URLs; each value is a pixel, enlarged.
    template
        A Jinja template of the plugin, ``"package:file.html"``: the file in the folder ``templates`` of the
        package. It writes everything; without one, the explorer shows the sheets, then the rows.
    values
        Variables of the template. Everything that it writes is escaped.
    """

    rows: Rows | Sequence[Row] | None = None
    columns: tuple[str, ...] = ()
    caption: str = ""
    sheets: Mapping[str, TileSheet] = field(default_factory=dict)
    template: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class Panel(Protocol):
    """A part of pages of the explorer.

    A panel with ``heavy = True`` is loaded after the rest of the page. One with ``narrow = True`` may stand
    beside another narrow one.
    """

    @property
    def title(self) -> str: ...

    @property
    def kinds(self) -> tuple[PanelKind, ...]:
        """The pages that it is for."""
        ...

    def show(
        self, bench: Workbench, address: str, options: Mapping[str, str]
    ) -> PanelContent | Rows | Sequence[Row] | TileSheet | None:
        """What there is to show for the address of the page; None leaves the panel out.

        Parameters
        ----------
        options
            The query of the page's URL, which anybody may have written: ``?observation=photos``.
        """
        ...
