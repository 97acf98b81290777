"""The records that travel through filterkit, from a model to a picture. They hold data and do nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    FloatArray = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a picture becomes the input a model was trained on: ``x = (pixel * scale - mean) / std``.

    Attributes
    ----------
    channel_order
        ``"RGB"``, ``"BGR"``, ``"GRAY"`` or ``"RGBA"``: the order in which the model reads a picture's
        channels. ``"BANDS"`` for channels that are no colours, in the order in which the picture has them.
    layout
        ``"NCHW"`` or ``"NHWC"``: the axes of the model's input.
    size
        Nominal height and width in pixels, or None where the model has none.
    scale
        Factor on pixel values, which run 0..255.
    mean, std
        One value per channel, in ``channel_order``, after scaling; empty means 0 and 1.
    assumed
        True where nobody said so and filterkit guessed.
    input
        Name of the graph's input that takes the picture, or None where the graph shows which it is.
    bands
        How many channels a picture has whose ``channel_order`` is ``"BANDS"``; 0 with any other.
    stated
        Names of those of these fields that are known for certain: they are compared with the graph instead of
        being adapted to it.
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


@dataclass(frozen=True, slots=True)
class FetchedModel:
    """What a model source brings.

    Attributes
    ----------
    onnx_path
        The ONNX file (external data beside it), somewhere the source may leave it until ingest ends.
    origin
        Where it came from, in words that let somebody else fetch the same thing.
    preprocessing
        What its input expects, or None where the source does not know.
    layer_names
        From a layer's node, by its name, its output tensor or its weight tensor, to the layer's name. Nodes
        that are no layers may be among them: which are depends on the extractors that are asked for.
    license
        License of the weights, if known.
    filter_labels
        From a layer's name to one label per filter, where filters have names of their own.
    """

    onnx_path: Path
    origin: str
    preprocessing: Preprocessing | None = None
    layer_names: Mapping[str, str] | None = None
    license: str | None = None
    filter_labels: Mapping[str, Sequence[str]] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class BatchNorm:
    """A batch norm behind a convolution: per channel, ``y = x * scale + shift``.

    Attributes
    ----------
    scale, shift
        Shape (out_channels,), float32.
    tensor, layout
        Its output, and that tensor's axes in terms of the convolution's output.
    folded
        Whether the bank holds it already.
    """

    scale: FloatArray
    shift: FloatArray
    tensor: str
    layout: str
    folded: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class FilterBank:
    """All filters of one layer, in canonical order.

    Attributes
    ----------
    node, op
        Its name, or its first output's where it has none, in a body behind `scope` and ``/``; its operator.
    weights
        Shape (out_channels, in_channels / groups, *kernel_shape); O I H W in two dimensions.
    bias
        Shape (out_channels,), or None.
    pads
        Begin of every axis, then end of every axis, in input steps, where `auto_pad` is ``"NOTSET"``.
    input_tensor, weight_tensor
        Names in the graph.
    pre_tensor, post_tensor
        The convolution's own output, bias included, and that of the activation behind it; equal without one.
    pre_layout, post_layout
        Axis order of those two tensors in terms of the convolution's output, e.g. ``"NCHW"``, ``"NHWC"``.
        Channels may lie on several axes (``"NWCC"``, as heads do), of which the last counts fastest.
    source_dtype, source_layout
        How the weights stand in the file, e.g. ``"float32"`` and ``"OIHW"``.
    scope
        Body that holds the node, e.g. ``"If_0/then_branch"``, and its tensors; empty in the main graph.
    batchnorm
        What follows before the activation, where it is a batch norm.
    input_channels
        Names of the input channels where the layer reads a picture, e.g. ``("B", "G", "R")``; else empty.
    norm
        What follows before the activation, where it is a norm other than a batch norm: ``"instance_norm"``,
        ``"group_norm"``, ``"layer_norm"`` or ``"lrn"``.
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


@dataclass(frozen=True, slots=True)
class Skipped:
    """A node with weights that could not be extracted, and why."""

    node: str
    op: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Normalized:
    """Values brought to [0, 1] for drawing.

    Attributes
    ----------
    values
        Same shape as the input, float32, all finite, in [0, 1].
    vmin, vmax
        The input values that 0 and 1 stand for, or None where they differ from filter to filter.
    centre
        Where an input of zero lies in [0, 1], or None where it differs or lies outside.
    non_finite
        How many input values were NaN or infinite (drawn as `centre` or the middle, 0 and 1).
    summary
        A few words for the picture, e.g. ``"min-max over the layer"``.
    """

    values: FloatArray
    vmin: float | None
    vmax: float | None
    centre: float | None
    non_finite: int = 0
    summary: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class TileSheet:
    """Rows × columns of small pictures with labels: what every renderer draws.

    Attributes
    ----------
    tiles
        Shape (rows, columns, height, width), of colour a fifth axis for R, G and B; float32 in [0, 1].
    count
        How many tiles there are, row by row; places behind the last are empty.
    row_labels, column_labels, tile_labels
        One per row, column and tile, or empty; tiles have them where row and column do not tell enough.
    vmin, vmax, centre
        As in `Normalized`.
    values
        What the tiles show, before it was normalized; shaped like `tiles`, NaN for none. None where unknown.
    addresses
        Of what each tile shows, e.g. ``"vgg16/block1_conv1/0/2"``, or of what made it; ``""`` where
        that is in no catalog. Or empty, as where there are more than a million tiles.
    metrics, texts
        What the catalog holds of the filters there, by column: one float64 per tile, NaN for none, and one
        str, ``""`` for none. Booleans are among both, as 1 and 0, and as ``"yes"`` and ``"no"``.
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


@dataclass(frozen=True, slots=True)
class IngestEvent:
    """Told to `filterkit_after_ingest` once a model is in the catalog."""

    catalog: str
    model: str
    layers: int
    filters: int
    skipped: int
    plugins: Mapping[str, str] = field(default_factory=dict)
