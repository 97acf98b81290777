"""A network without some channels of one tensor: what comes before runs once, the rest once per channel."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray

from filterkit.errors import RuntimeFailure
from filterkit.graph.axes.trace import trace
from filterkit.graph.excerpt.excerpt import excerpt
from filterkit.graph.excerpt.external_data import refer
from filterkit.graph.excerpt.masking import WHERE_OPSET, halves, masked, typed
from filterkit.graph.gradient.recent_opset import upgrade
from filterkit.graph.loading.load import load_model
from filterkit.graph.view.view import GraphView
from filterkit.graph.view.walk import opset_of
from filterkit.runtime.network import Target, channels_first
from filterkit.runtime.onnx_session import open_session, run
from filterkit.runtime.providers import choose

if TYPE_CHECKING:
    from filterkit.records import RunOptions

ELEMENTS = 2**24
"""Limit on the elements of the largest tensor, for all pictures that run together."""

TOGETHER = 16
"""Limit on the pictures that run together: more do not run faster."""

CLOSE = 1e-4
"""Relative difference up to which the results for one picture alone and in a batch count as equal."""


class State(NamedTuple):
    """What the network computed of a picture before the layer, and the batch size that the graph fixes."""

    values: dict[str, NDArray[Any]]
    batch: int


def runnable(path: Path) -> onnx.ModelProto:
    """The model in a file, for `Ablation`: its weights are references to the file, so that copies are small.

    Raises
    ------
    ModelError
        It cannot be read, or is of an old opset and cannot be converted.
    """
    model = load_model(path)
    refer(model, path)
    if opset_of(model) < WHERE_OPSET:
        upgrade(model)
    return model


class Ablation:
    """A network that is cut at a tensor of a layer, channels of which can be set to zero.

    Parameters
    ----------
    model
        From `runnable`; not changed.
    layer
        The tensor of the layer, and its axes.
    channels
        Its number of channels.
    target
        The tensor that is computed.
    picture_input, layout
        The input for pictures, and its axes, if there is one.
    folder
        The folder of external data.

    Attributes
    ----------
    depends
        Whether the target depends on the layer. If not, nothing can be run.
    """

    def __init__(
        self,
        model: onnx.ModelProto,
        layer: Target,
        channels: int,
        target: Target,
        *,
        picture_input: str | None,
        layout: str | None,
        options: RunOptions,
        folder: Path,
    ) -> None:
        self._layer, self._channels, self._target = layer, channels, target
        self._options, self._folder = options, folder
        made = masked(model, layer.wanted, layer.layout, channels)
        self._mask, self._raw = made.mask, made.raw
        part = excerpt(made.model, [target.wanted], picture_input=picture_input, layout=layout)
        self._output = part.tensors[target.wanted]
        self._halves = halves(part.model, made.mask, self._output)
        self._sessions: dict[str, Any] = {}
        self._largest: dict[tuple[Any, ...], int] = {}
        self._counts: dict[tuple[Any, ...], int] = {}
        self.depends = self._halves is not None

    def head(self, inputs: Mapping[str, NDArray[Any]], batch: int = 1) -> State:
        """Run what comes before the layer's output.

        Parameters
        ----------
        inputs
            By name, for one picture.
        batch
            The batch size that the graph fixes: the inputs are the same picture that many times.
        """
        assert self._halves is not None
        values = dict(inputs)
        model = self._halves.head
        if model is not None:
            if "head" not in self._sessions:
                self._sessions["head"] = self._opened(model)
            names = [value.name for value in model.graph.output]
            given = {value.name: inputs[value.name] for value in model.graph.input if value.name in inputs}
            values |= dict(zip(names, run(self._sessions["head"], names, given), strict=True))
        return State({name: values[name] for name in self._halves.between}, batch)

    def maps(self, state: State) -> NDArray[Any] | None:
        """The layer's own maps, shape (channels, *positions); None if they are computed in a body."""
        raw = state.values.get(self._raw)
        return None if raw is None or self._layer.scope else channels_first(raw, self._layer)[0]

    def whole(self, state: State) -> NDArray[Any]:
        """The target with all channels of the layer: shape (1, channels, *positions)."""
        return self._run(state, [()] * state.batch)[:1]

    def without(self, state: State, removed: Sequence[Collection[int]]) -> Iterator[NDArray[Any]]:
        """The target without each of some sets of channels: several at a time, (n, channels, *positions)."""
        # Whether pictures may run together takes more runs to find out than two sets.
        together = self._together(state) if len(removed) > 2 else state.batch
        for start in range(0, len(removed), together):
            some = [*removed[start : start + together]]
            missing = together - len(some) if state.batch > 1 else 0
            yield self._run(state, some + [()] * missing)[: len(some)]

    def _run(self, state: State, removed: Sequence[Collection[int]]) -> NDArray[Any]:
        count = len(removed)
        mask = np.ones((count, self._channels), bool)
        for row, channels in zip(mask, removed, strict=True):
            row[list(channels)] = False
        layout = self._layer.layout
        if layout.index("C") < layout.index("N"):
            mask = mask.T
        fed = {name: self._repeated(name, array, count, state) for name, array in state.values.items()}
        fed[self._mask] = mask.reshape([{"N": count, "C": self._channels}.get(axis, 1) for axis in layout])
        (found,) = run(self._tail(state), [self._output], fed)
        if self._target.scope and found.shape == (0,):
            raise RuntimeFailure(
                f"{self._target.layer} did not run: for this input the network takes the other branch of "
                "an If",
                hint="use another picture",
            )
        maps = channels_first(found, self._target)
        if len(maps) != count:
            raise RuntimeFailure(
                f"the output '{self._target.layer}' is not separable by picture",
                hint="choose another target, e.g. a filter of a later layer",
            )
        return maps

    def _repeated(self, name: str, array: NDArray[Any], count: int, state: State) -> NDArray[Any]:
        """What the tail takes for `count` pictures; the masked tensor itself is broadcast to them."""
        is_one = array.ndim > 1 and len(array) == state.batch == 1 and name != self._raw
        return np.repeat(array, count, axis=0) if is_one and count > 1 else array

    def _together(self, state: State) -> int:
        """How many pictures run together: as many as the graph fixes, else what memory allows, or one."""
        if state.batch > 1:
            return state.batch
        key = _shapes(state)
        if key not in self._counts:
            self._tail(state)
            count = max(1, min(TOGETHER, ELEMENTS // self._largest[key]))
            self._counts[key] = count if count > 1 and self._is_separable(state) else 1
        return self._counts[key]

    def _is_separable(self, state: State) -> bool:
        """Whether pictures of a batch do not affect each other: all channels, and none of them."""
        assert self._halves is not None
        if not self._halves.is_separable or self._mixes(state):
            return False
        every = range(self._channels)
        alone = [self._run(state, [removed]) for removed in ((), every)]
        try:
            both = self._run(state, [(), every])
        except RuntimeFailure:
            return False
        return all(
            one[0].shape == other.shape
            and np.allclose(one[0], other, rtol=0, atol=CLOSE * np.abs(one).max(initial=0), equal_nan=True)
            for one, other in zip(alone, both, strict=True)
        )

    def _mixes(self, state: State) -> bool:
        """Whether the target is known to depend on all pictures, e.g. through a norm over the batch."""
        assert self._halves is not None
        view = GraphView(self._halves.tail, self._folder / "model.onnx")
        shapes = {name: self._repeated(name, array, 2, state).shape for name, array in state.values.items()}
        layout = self._layer.layout
        shapes[self._mask] = tuple({"N": 2, "C": self._channels}.get(axis, 1) for axis in layout)
        traced = trace(view, shapes)
        tracks = traced.tracks.get(self._output)
        return tracks is not None and ((traced.inputs.index(self._mask), layout.index("N")) in tracks.spread)

    def _tail(self, state: State) -> Any:
        assert self._halves is not None
        key = _shapes(state)
        if key not in self._largest:
            model, self._largest[key] = typed(self._halves.tail, self._mask, self._layer.layout, state.values)
            if "tail" not in self._sessions:
                self._sessions["tail"] = self._opened(model)
        return self._sessions["tail"]

    def _opened(self, model: onnx.ModelProto) -> Any:
        choice = choose(self._options.provider)
        return open_session(model, choice, threads=self._options.threads, folder=self._folder)


def _shapes(state: State) -> tuple[Any, ...]:
    return tuple(np.shape(array) for array in state.values.values())
