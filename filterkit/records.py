"""The data records that are passed between the parts of filterkit; their only behaviour is a short repr."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from filterkit.errors import one_line
from filterkit.short_reprs import array_text, short_repr, shortened

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    FloatArray = NDArray[np.floating]
    ImageContent = bytes | NDArray[Any] | Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a picture is converted to the input of a model: ``x = (pixel * scale - mean) / std``.

    Attributes
    ----------
    channel_order
        ``"RGB"``, ``"BGR"``, ``"GRAY"`` or ``"RGBA"``: the order in which the model reads a picture's
        channels. ``"BANDS"`` for channels that are not colours, in the order of the picture.
    layout
        ``"NCHW"`` or ``"NHWC"``: the axes of the model's input.
    size
        Nominal height and width in pixels, or None if the model has none.
    scale
        Factor applied to pixel values, which range from 0 to 255.
    mean, std
        One value per channel, in ``channel_order``, after scaling; empty means 0 and 1.
    assumed
        Whether the preprocessing is unknown and filterkit assumed this one.
    input
        Name of the graph's input that takes the picture, or None if it can be determined from the graph.
    bands
        Number of channels if ``channel_order`` is ``"BANDS"``; otherwise 0.
    stated
        Names of the fields that are known for certain: they are checked against the graph instead of being
        adapted to it.
    """

    channel_order: Literal["RGB", "BGR", "GRAY", "RGBA", "BANDS"] = "RGB"
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    size: tuple[int, int] | None = None
    scale: float = 1.0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    assumed: bool = False
    input: str | None = None
    bands: int = 0
    stated: tuple[str, ...] = ()

    @property
    def channels(self) -> tuple[str, ...]:
        """Channel names in the model's own order, e.g. ``("B", "G", "R")``."""
        if self.channel_order == "BANDS":
            return tuple(f"band {number}" for number in range(self.bands))
        return ("gray",) if self.channel_order == "GRAY" else tuple(self.channel_order)

    __repr__ = short_repr


@dataclass(frozen=True, slots=True)
class FetchedModel:
    """What a model source returns.

    Attributes
    ----------
    onnx_path
        The ONNX file (with external data beside it), where it can stay until the model is added.
    origin
        Where it came from, in enough detail that others can fetch the same model.
    preprocessing
        Preprocessing that the model expects, or None if the source does not know it.
    layer_names
        Maps a node, by its name, output tensor or weight tensor, to the name of its layer. It may include
        nodes that are not layers, which depends on the extractors.
    license
        License of the weights, if known.
    filter_labels
        Maps the name of a layer to one label per filter, if its filters have names.
    """

    onnx_path: Path
    origin: str
    preprocessing: Preprocessing | None = None
    layer_names: Mapping[str, str] | None = None
    license: str | None = None
    filter_labels: Mapping[str, Sequence[str]] | None = None

    __repr__ = short_repr


@dataclass(frozen=True, slots=True, eq=False)
class BatchNorm:
    """A batch normalization after a convolution: per channel, ``y = x * scale + shift``.

    Attributes
    ----------
    scale, shift
        Shape (out_channels,), float32.
    tensor, layout
        Its output tensor, and the axes of that tensor in terms of the convolution's output.
    folded
        Whether it is already folded into the bank.
    """

    scale: FloatArray
    shift: FloatArray
    tensor: str
    layout: str
    folded: bool = False

    __repr__ = short_repr


@dataclass(frozen=True, slots=True, eq=False)
class FilterBank:
    """All filters of one layer, in canonical order.

    Attributes
    ----------
    node, op
        The node's name, or that of its first output if it has none, prefixed with `scope` and ``/`` inside a
        body; its operator.
    weights
        Shape (out_channels, in_channels / groups, *kernel_shape); O I H W in two dimensions.
    bias
        Shape (out_channels,), or None.
    pads
        Padding at the begin of every axis, then at the end of every axis, if `auto_pad` is ``"NOTSET"``.
    input_tensor, weight_tensor
        Names in the graph.
    pre_tensor, post_tensor
        The convolution's own output, bias included, and that of the activation after it; the same if there
        is none.
    pre_layout, post_layout
        Axis order of those two tensors in terms of the convolution's output, e.g. ``"NCHW"``, ``"NHWC"``.
        Channels may be split over several axes (``"NWCC"``, as in attention heads), the last varying fastest.
    source_dtype, source_layout
        Type and axis order of the weights in the file, e.g. ``"float32"`` and ``"OIHW"``.
    scope
        The body that contains the node and its tensors, e.g. ``"If_0/then_branch"``; empty in the main graph.
    batchnorm
        The batch normalization between convolution and activation, if there is one.
    input_channels
        Names of the input channels if the layer reads a picture, e.g. ``("B", "G", "R")``; else empty.
    norm
        Any other normalization between convolution and activation: ``"instance_norm"``, ``"group_norm"``,
        ``"layer_norm"`` or ``"lrn"``.
    """

    node: str
    op: str
    weights: FloatArray
    bias: FloatArray | None
    in_channels: int
    out_channels: int
    groups: int
    kernel_shape: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int, ...]
    auto_pad: str
    output_padding: tuple[int, ...]
    input_tensor: str
    weight_tensor: str
    pre_tensor: str
    post_tensor: str
    pre_layout: str
    post_layout: str
    activation: str | None
    source_dtype: str
    source_layout: str
    scope: str = ""
    batchnorm: BatchNorm | None = None
    input_channels: tuple[str, ...] = ()
    norm: str | None = None

    def __repr__(self) -> str:
        name, weights = shortened(repr(self.node), 100), array_text(self.weights)
        bias = "no bias" if self.bias is None else "bias"
        return f"<FilterBank {name}: {self.op}, {weights}, {bias}, {self.activation or 'no activation'}>"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A node with weights that could not be extracted, and why."""

    node: str
    op: str
    reason: str

    __repr__ = short_repr


@dataclass(frozen=True, slots=True, eq=False)
class Normalized:
    """Values scaled to [0, 1] for drawing.

    Attributes
    ----------
    values
        Same shape as the input, float32, all finite, in [0, 1].
    vmin, vmax
        The input values that map to 0 and 1, or None if they differ between filters.
    centre
        The value in [0, 1] that an input of zero maps to, or None if it differs or is outside.
    non_finite
        Number of input values that were NaN or infinite (drawn as `centre` or the middle, 0 and 1).
    summary
        A short description for the picture, e.g. ``"min-max over the layer"``.
    """

    values: FloatArray
    vmin: float | None
    vmax: float | None
    centre: float | None
    non_finite: int = 0
    summary: str = ""

    __repr__ = short_repr


@dataclass(frozen=True, slots=True, eq=False)
class TileSheet:
    """Rows × columns of small pictures with labels: what every renderer draws.

    Attributes
    ----------
    tiles
        Shape (rows, columns, height, width), in colour with a fifth axis for R, G and B; float32 in [0, 1].
    count
        Number of tiles, row by row; places after the last are empty.
    row_labels, column_labels, tile_labels
        One per row, column and tile, or empty; tiles have labels if row and column do not identify them.
    vmin, vmax, centre
        As in `Normalized`.
    values
        The values of the tiles before normalization; shaped like `tiles`, with NaN for missing ones. None if
        unknown.
    addresses
        Address of what each tile shows, e.g. ``"vgg16/block1_conv1/0/2"``, or of what made it; ``""`` for
        what is not in the catalog. May be empty, as for sheets with more than a million tiles.
    metrics, texts
        Columns of the catalog for the filters shown: one float64 per tile, with NaN for missing values, and
        one str, with ``""``. Booleans are in both, as 1 and 0, and as ``"yes"`` and ``"no"``.
    provenance
        What the tiles show and how they were made, as short texts by name: ``address``, ``model`` (with the
        SHA-256 of its ONNX file), ``normalizer``, ``channels``, ``renderer`` and others; may be empty.
        Built-in renderers write them into the file.
    colormap
        The colormap that the tiles were normalized for. Built-in renderers use it unless they are given
        another.
    group
        Number of adjacent tiles of a row that belong together, as 2 for pairs; 1 for single tiles. Built-in
        pictures have a wider gap after each group.
    """

    tiles: FloatArray
    count: int
    title: str = ""
    note: str = ""
    row_labels: tuple[str, ...] = ()
    column_labels: tuple[str, ...] = ()
    tile_labels: tuple[str, ...] = ()
    vmin: float | None = None
    vmax: float | None = None
    centre: float | None = None
    values: FloatArray | None = None
    addresses: tuple[str, ...] = ()
    metrics: Mapping[str, FloatArray] = field(default_factory=dict)
    texts: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)
    colormap: str = "gray"
    group: int = 1

    @property
    def rows(self) -> int:
        return int(self.tiles.shape[0])

    @property
    def columns(self) -> int:
        return int(self.tiles.shape[1])

    @property
    def tile_shape(self) -> tuple[int, int]:
        """Height and width of one tile, in pixels."""
        return int(self.tiles.shape[2]), int(self.tiles.shape[3])

    @property
    def is_colour(self) -> bool:
        return self.tiles.ndim == 5

    def __repr__(self) -> str:
        height, width = self.tile_shape
        full = self.count == self.rows * self.columns
        tiles = f"{self.rows} × {self.columns} tiles" if full else f"{self.count} tiles"
        scale = "" if self.vmin is None or self.vmax is None else f", {self.vmin:.4g} to {self.vmax:.4g}"
        title = f" '{shortened(one_line(self.title), 100)}'" if self.title else ""
        colour = " in colour" if self.is_colour else ""
        return f"<{type(self).__name__}{title}: {tiles} of {height} × {width} pixels{colour}{scale}>"


@dataclass(frozen=True, slots=True, eq=False)
class SourceImage:
    """A picture that an image source found, or an input of a network that takes no pictures; read on demand.

    Attributes
    ----------
    name
        The name in rows and messages: a path, or ``ARCHIVE!MEMBER``.
    read
        Returns the bytes of a picture file, or an array of pixels, shape (H, W) or (H, W, channels), or a
        mapping of arrays that the network takes unchanged, by input. May be called from several threads.
    label
        The class, if the source knows it.
    path
        The file, if the picture is a file of its own; `read` returns its bytes.
    inputs
        Whether `read` returns a mapping of arrays.
    """

    name: str
    read: Callable[[], ImageContent]
    label: str | None = None
    path: Path | None = None
    inputs: bool = False

    def __repr__(self) -> str:
        label = "" if self.label is None else f", label {shortened(repr(self.label), 100)}"
        return f"<{type(self).__name__} {shortened(repr(self.name), 100)}{label}>"


At = Literal["post", "pre"]
Provider = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a network runs: where the maps are taken, the size of pictures, the provider and threads.

    The values are those of `Workbench.iter_feature_maps`.
    """

    at: At = "post"
    size: str | int | tuple[int, int] | None = None
    provider: Provider = "auto"
    threads: int | None = None


DEFAULT_RUN = RunOptions()


@dataclass(frozen=True, slots=True)
class IngestEvent:
    """The event passed to `filterkit_after_ingest` after a model was added to the catalog."""

    catalog: str
    model: str
    layers: int
    filters: int
    skipped: int
    plugins: Mapping[str, str] = field(default_factory=dict)

    __repr__ = short_repr


@dataclass(frozen=True, slots=True)
class ObserveEvent:
    """The event passed to `filterkit_after_observe` after an observation was added, continued or extended.

    Of its `pictures`, `added` are new; response metrics of plugins filled the columns `metrics`.
    """

    catalog: str
    model: str
    observation: str
    pictures: int
    added: int
    layers: int
    filters: int
    metrics: tuple[str, ...] = ()

    __repr__ = short_repr
