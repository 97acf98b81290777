"""Prepare a layer for visualization: its network, the size of pictures, and what is maximized."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from filterkit.errors import FilterkitError, ImageError
from filterkit.operations.attribute import WORTHWHILE
from filterkit.operations.attributed_network import AttributedNetwork, AttributeOptions
from filterkit.operations.requested_pictures import picture_preprocessing
from filterkit.operations.targets import Aim, map_size
from filterkit.records import Preprocessing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.catalog.addresses import Match
    from filterkit.graph.gradient.target import Position
    from filterkit.records import FloatArray, RunOptions
    from filterkit.runtime.differentiable import Differentiable
    from filterkit.runtime.feature_maps import Size
    from filterkit.runtime.network import Network
    from filterkit.runtime.onnx_session import Input
    from filterkit.session import Session
    from filterkit.visualization.transforms import Window

SIZE = 128
"""Height and width of pictures, where the graph does not fix them."""

SIGNAL = Preprocessing(channel_order="BANDS", layout="NCHW", size=None, scale=2 / 255, mean=(1.0,))
"""What a signal is as a picture of height 1: from -1 to 1."""

Objective = Literal["channel", "unit"]

PEAK: Literal["peak"] = "peak"
"""A third objective, of filters that do not respond: the largest value of the map."""


def preprocessing_of(model: Mapping[str, Any]) -> Preprocessing:
    """That of a model's pictures, or of its signals.

    Raises
    ------
    ImageError
        It takes neither.
    """
    shape = model["input_shape"] or ()
    if model["preprocessing"] is None and len(shape) in (2, 3):
        from filterkit.runtime.signals import signal_axes

        return replace(SIGNAL, bands=signal_axes(shape)[1])
    try:
        return picture_preprocessing(model)
    except ImageError as error:
        hint = "only inputs that are pictures, or signals in one dimension, are optimized"
        if len(shape) == 4:
            spec = "--preprocessing unit:input=NAME,layout=NCHW"
            hint = f"if an input is a picture, declare it with filterkit add --replace {spec}"
        raise ImageError(error.message, hint=hint) from None


def is_signal(preprocessing: Preprocessing) -> bool:
    """Whether inputs are signals in one dimension instead of pictures."""
    return replace(preprocessing, bands=0) == SIGNAL


@dataclass(frozen=True, eq=False)
class Maximized:
    """A layer whose filters are maximized.

    Attributes
    ----------
    shape
        Channels, height and width of pictures.
    window
        The part of the pictures that determines the response; None for all of it.
    extent
        Height and width of the receptive field, if only one position of the maps counts.
    is_default_size
        Whether a request without a size gives the same one.
    together, batch
        Number of pictures that run together; and if the graph fixes it, that number.
    channels
        Their names, of pictures.
    maps
        How many maps the layer has.
    """

    shape: tuple[int, int, int]
    window: Window | None
    extent: tuple[int, ...] | None
    is_default_size: bool
    together: int
    batch: int | None
    channels: tuple[str, ...]
    maps: int
    provider: str
    _network: Differentiable
    _position: Position
    _place: int | None
    _ends: tuple[FloatArray, FloatArray]
    _backwards: bool

    def values(self, pictures: FloatArray, filters: Sequence[int]) -> FloatArray:
        """The responses of filters to a picture each, shape (pictures, channels, height, width)."""
        return self._own(filters).values(self._fed(pictures), self._position)

    def gradients(self, pictures: FloatArray, filters: Sequence[int], *, diverse: bool) -> FloatArray:
        """The gradients of the responses; if `diverse`, of the objective of several different pictures."""
        network, position = self._own(filters), self._position
        if diverse:
            network, position = self._diverse(filters), "mean"
        _, found = network.gradients(self._fed(pictures), position)
        black, white = self._ends
        return self._turned(found * (white - black))

    def _own(self, filters: Sequence[int]) -> Differentiable:
        """Filled up to the size of a fixed batch, as pictures are."""
        missing = max((self._network.entry.batch or 0) - len(filters), 0)
        return self._network.of((*filters, *(filters[-1],) * missing), own=True)

    def _diverse(self, filters: Sequence[int]) -> Differentiable:
        from filterkit.runtime.network import Target
        from filterkit.visualization.diversity import diverse

        network, count = self._network, len(filters)
        target, tensor = network.target, network.tensors[network.target]
        model, name = diverse(network.model, tensor, target.layout, filters[0], self._place, count)
        aim = Target(target.layer, name, "N")
        key = (*network.key, "diverse", filters[0], count, self._place)
        return replace(network, model=model, tensors={aim: name}, target=aim, channels=None, key=key)

    def _fed(self, pictures: FloatArray) -> FloatArray:
        black, white = self._ends
        return self._turned(pictures) * (white - black) + black

    def _turned(self, pictures: FloatArray) -> FloatArray:
        """From R, G, B to the order of the network, or back."""
        return pictures[:, ::-1] if self._backwards else pictures


def maximized(
    session: Session,
    match: Match,
    preprocessing: Preprocessing,
    rules: Sequence[str],
    options: RunOptions,
    size: Size,
    objective: Objective | Literal["peak"],
    *,
    crop: bool,
) -> Maximized:
    """Prepare the layer of a match, taken before or after its activation as `options.at` says.

    Parameters
    ----------
    crop
        Whether to compute only what determines the response.

    Raises
    ------
    ImageError, RuntimeFailure, UsageError
        The network takes no such pictures.
    """
    import numpy as np

    from filterkit.runtime.differentiable import PIXELS
    from filterkit.runtime.network import Target
    from filterkit.runtime.preprocessing import span
    from filterkit.runtime.signals import SignalEntry, prepared_signal

    row, at = match.layer, options.at
    target = Target(row["name"], row[f"{at}_tensor"], row[f"{at}_layout"], row["scope"])
    aim = Aim(match.address, match.model, target, match)
    ready = AttributedNetwork(session, aim, preprocessing, AttributeOptions(rules=rules), options)
    signal = is_signal(preprocessing)

    def prepared(size: Size) -> tuple[Input, NDArray[Any]]:
        if signal:
            return prepared_signal(ready.network, size)
        return _picture(ready.network, match.model, preprocessing, size)

    taken, fed = prepared(size)
    is_default_size = size is None
    with suppress(FilterkitError):  # that size may be too small for the network
        is_default_size = is_default_size or prepared(None)[1].shape == fed.shape
    network, crops = ready.differentiable(taken, fed)
    if signal:
        network = replace(network, entry=SignalEntry.of(taken))
    whole = network.entry.taken(fed)[0]
    tensor, layout = network.tensors[network.target], network.target.layout
    count, *space = (
        map_size(crops.size(tensor), layout)
        or network.maps(np.repeat(whole[None], network.entry.batch or 1, axis=0)).shape[1:]
    )
    position: Position = "max" if objective == PEAK else "mean"
    place, window, extent = None, None, None
    if objective == "unit":
        position = tuple(each // 2 for each in space)
        place = int(np.ravel_multi_index(position, space))
        found = None if signal else crops.at(tensor, layout, position)
        if found is not None:
            extent = tuple(side.field[1] - side.field[0] for side in found)
            rows, columns = (side.window for side in found)
            share = (rows[1] - rows[0]) * (columns[1] - columns[0]) / (whole.shape[1] * whole.shape[2])
            if crop and share <= WORTHWHILE and ready.network.takes_any_size(preprocessing):
                window = rows, columns
                position = tuple(each - side.removed for each, side in zip(position, found, strict=True))
    black, white = (np.array(ends, np.float32)[:, None, None] for ends in span(preprocessing))
    backwards = preprocessing.channel_order == "BGR"
    return Maximized(
        shape=whole.shape,
        window=window,
        extent=extent,
        is_default_size=is_default_size,
        together=network.entry.batch or max(1, PIXELS // (whole.shape[1] * whole.shape[2])),
        batch=network.entry.batch,
        channels=preprocessing.channels[:: -1 if backwards else 1],
        maps=count,
        provider=ready.network.provider,
        _network=network,
        _position=position,
        _place=place,
        _ends=(black, white),
        _backwards=backwards,
    )


def _picture(
    network: Network, model: Mapping[str, Any], preprocessing: Preprocessing, size: Size
) -> tuple[Input, NDArray[Any]]:
    """The input for pictures, and a gray one."""
    import numpy as np

    from filterkit.graph.layers.picture_input import fixed_size

    if size is None and network.takes_any_size(preprocessing):
        size = (SIZE, SIZE)
    channels = 3 if preprocessing.channel_order == "GRAY" else len(preprocessing.channels)
    gray = np.full((*(size or (SIZE, SIZE)), channels), 128, np.uint8)
    declared = fixed_size(model["input_shape"], model["input_layout"])
    return network.prepared(gray, preprocessing, size, declared)
