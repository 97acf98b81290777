"""A network and a target: its value for pictures, and the gradients of the value."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx

from filterkit.errors import NotFoundError, RuntimeFailure
from filterkit.graph.excerpt.cut import cut
from filterkit.graph.gradient.backward import operator_of
from filterkit.graph.gradient.facts import UnknownShapes
from filterkit.graph.gradient.gradient import Rules, gradient
from filterkit.graph.gradient.taken_branches import take_branches
from filterkit.graph.gradient.target import Position
from filterkit.graph.gradient.target import Target as Selection
from filterkit.graph.view.walk import STANDARD
from filterkit.plugins.checked import Checked
from filterkit.runtime.network import Target, channels_first
from filterkit.runtime.onnx_session import open_session, run
from filterkit.runtime.providers import choose

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.records import FloatArray, RunOptions
    from filterkit.runtime.network_cache import OpenNetworks

PIXELS = 2**18
"""Limit on the pixels that run together: what a network computes on the way is kept until the way back."""

LEVELS = 8
"""Limit on the attempts to measure shapes, which may depend on each other."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The input for pictures: its name, axes (``"NCHW"`` or ``"NHWC"``), type, and a fixed batch size."""

    name: str
    layout: str
    dtype: str
    batch: int | None

    def fed(self, pictures: FloatArray) -> NDArray[Any]:
        """Pictures, shape (N, C, H, W), as the network takes them."""
        turned = pictures.transpose(0, 2, 3, 1) if self.layout == "NHWC" else pictures
        return np.ascontiguousarray(turned, dtype=self.dtype)

    def taken(self, values: NDArray[Any]) -> FloatArray:
        """What has the shape of the input, as (N, C, H, W)."""
        found: FloatArray = values.transpose(0, 3, 1, 2) if self.layout == "NHWC" else values
        return found if found.dtype.kind == "f" else found.astype(np.float32)


@dataclass(frozen=True, eq=False)
class Differentiable:
    """A network that ends at a target.

    Attributes
    ----------
    model
        From `filterkit.graph.excerpt`: its large weights may be references to `path`.
    tensors
        The name in `model` of each tensor that is used.
    target
        The tensor, of which `channels` are summed up (None for all).
    rules
        Gradient rules by operator.
    entry
        The picture's input. If it takes integers that the network casts, pictures are floats.
    opened, key
        Where sessions are kept, and what distinguishes this network there.
    own
        Whether each picture has a target of its own: picture n the n-th of `channels`.
    """

    model: onnx.ModelProto
    tensors: Mapping[Target, str]
    target: Target
    channels: tuple[int, ...] | None
    rules: Rules
    entry: Entry
    path: Path
    options: RunOptions
    opened: OpenNetworks
    key: tuple[Any, ...]
    own: bool = False

    def of(self, channels: tuple[int, ...], *, own: bool = False) -> Differentiable:
        """The same network, with the total of some channels as its target; or one for each picture."""
        return replace(self, channels=channels, own=own)

    def maps(self, pictures: FloatArray, target: Target | None = None) -> FloatArray:
        """A tensor for pictures of shape (N, C, H, W): shape (N, channels, *positions), all at once."""
        wanted = target or self.target
        name = self.tensors[wanted]
        session = self._session(("value", name), lambda: cut(self.model, [name]))
        (values,) = run(session, [name], {self.entry.name: self.entry.fed(pictures)})
        return channels_first(values, wanted)

    def values(self, pictures: FloatArray, position: Position) -> FloatArray:
        """The value of the target for each of the pictures, shape (N,)."""
        return np.concatenate(
            [
                value_of(self.maps(some), self.channels, position, own=self.own)[:count]
                for some, count in self._chunks(pictures)
            ]
        )

    def gradients(
        self, pictures: FloatArray, position: Position, override: str | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """The value for each of the pictures, and its gradient, of their shape (N, C, H, W)."""
        found = [
            (value[:count], self.entry.taken(back)[:count])
            for some, count in self._chunks(pictures)
            for value, back in [self._run(some, position, self.entry.name, override)]
        ]
        return np.concatenate([value for value, _ in found]), np.concatenate([back for _, back in found])

    def gradients_of_each(
        self, pictures: FloatArray, places: NDArray[np.int64], override: str | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """As `gradients`, of a channel and a position for each of the pictures.

        One session computes any of them.

        Parameters
        ----------
        places
            Shape (N, 1 + axes): the channel and the position.
        """
        found = [
            (value[:count], self.entry.taken(back)[:count])
            for numbers, count in self._numbers(pictures)
            for value, back in [self._run(pictures[numbers], places[numbers], self.entry.name, override)]
        ]
        return np.concatenate([value for value, _ in found]), np.concatenate([back for _, back in found])

    def gradients_at(
        self, picture: FloatArray, position: Position, targets: Sequence[Target]
    ) -> tuple[float, list[tuple[FloatArray, FloatArray]]]:
        """The value for a picture, and its gradients with respect to tensors that the network computes.

        Parameters
        ----------
        picture
            Shape (C, H, W).

        Returns
        -------
        float, list of (ndarray, ndarray)
            Each tensor and its gradient, shape (channels, *positions), all of one run.
        """
        count = self.entry.batch or 1
        names = tuple(dict.fromkeys(self.tensors[target] for target in targets))
        value, *found = self._run(np.repeat(picture[None], count, axis=0), position, names, None)
        back, values = (
            dict(zip(names, part, strict=True)) for part in (found[: len(names)], found[len(names) :])
        )
        return float(value[0]), [
            (channels_first(values[name], target)[0], channels_first(back[name], target)[0])
            for target in targets
            for name in [self.tensors[target]]
        ]

    def _run(
        self,
        pictures: FloatArray,
        position: Position | NDArray[np.int64],
        wrt: str | tuple[str, ...],
        override: str | None,
    ) -> list[NDArray[Any]]:
        """Run the graph of the gradient; an array has a channel and a position for each picture."""
        position = self._placed(position, len(pictures))
        inputs = {self.entry.name: self.entry.fed(pictures)}
        tensor, layout = self.tensors[self.target], self.target.layout
        if isinstance(position, np.ndarray):
            selection = Selection(tensor, layout, from_inputs=True)
        else:
            selection = Selection(tensor, layout, self.channels, _in_order(position, layout), self.own)
        try:
            session = self._session(
                ("gradient", selection, wrt, override, inputs[self.entry.name].shape),
                lambda: self._gradient_graph(selection, wrt, override, inputs),
            )
        except RuntimeFailure as error:
            raise self._with_rules(error) from error
        if isinstance(position, np.ndarray):
            [chosen] = [each.name for each in session.get_inputs() if each.name != self.entry.name]
            axes = _in_order(tuple(range(1, position.shape[1])), layout)
            inputs[chosen] = position[:, [0, *axes]]
        return run(session, [output.name for output in session.get_outputs()], inputs)

    def _placed(self, position: Position | NDArray[np.int64], pictures: int) -> Position | NDArray[np.int64]:
        """A position, or a channel and a position for each of some pictures, which one graph serves."""
        return position

    def _gradient_graph(
        self,
        selection: Selection,
        wrt: str | tuple[str, ...],
        override: str | None,
        inputs: Mapping[str, NDArray[Any]],
    ) -> onnx.ModelProto:
        """Shapes that inference does not reach are measured."""
        shapes = {name: array.shape for name, array in inputs.items()}
        provider = choose(self.options.provider).name
        for _ in range(LEVELS):
            try:
                return gradient(
                    self.model,
                    selection,
                    wrt,
                    rules=self.rules,
                    override=override,
                    path=self.path,
                    shapes=shapes,
                    provider=provider,
                )
            except UnknownShapes as error:
                try:
                    part = cut(self.model, error.tensors)
                except NotFoundError:
                    raise error from None
                measured = run(self._opened(part), error.tensors, inputs)
                shapes |= {name: value.shape for name, value in zip(error.tensors, measured, strict=True)}
        raise RuntimeFailure("no gradient: the shapes of its tensors depend on each other in too many steps")

    def _with_rules(self, error: RuntimeFailure) -> RuntimeFailure:
        """An error of the gradient graph, with the rules of plugins that wrote a part of it."""
        used = {self.rules.get(operator_of(node)) for node in self.model.graph.node}
        names = sorted(
            {str(rule) for rule in used if isinstance(rule, Checked) and not rule.plugin.is_built_in}
        )
        if not names:
            return error
        hint = f"part of it is by {', '.join(names)}: choose other rules with --rules, or block the plugin"
        return RuntimeFailure(f"the graph of the gradient cannot run: {error.message}", hint=hint)

    def _session(self, what: tuple[Any, ...], build: Callable[[], onnx.ModelProto]) -> Any:
        key = (*self.key, self.options.provider, self.options.threads, *what)
        found = self.opened.find(key)
        if found is None:
            found = self._opened(build())
            self.opened.add(key, found)
        return found

    def _opened(self, model: onnx.ModelProto) -> Any:
        choice = choose(self.options.provider)
        return open_session(model, choice, threads=self.options.threads, folder=self.path.parent)

    def _chunks(self, pictures: FloatArray) -> Iterator[tuple[FloatArray, int]]:
        """Pictures that run together, filled up with the last one, and how many of them count."""
        for numbers, count in self._numbers(pictures):
            yield pictures[numbers], count

    def _numbers(self, pictures: FloatArray) -> Iterator[tuple[slice | NDArray[np.intp], int]]:
        """The numbers of pictures that run together, filled up with the last one, and how many count."""
        total = len(pictures)
        together = self.entry.batch or max(1, PIXELS // math.prod(pictures.shape[2:]))
        together = min(together, total) if self.entry.batch is None else together
        for start in range(0, total, together):
            count = min(together, total - start)
            if count == together:
                yield slice(start, start + together), count
            else:
                yield np.minimum(np.arange(start, start + together), total - 1), count


def value_of(
    maps: FloatArray, channels: tuple[int, ...] | None, position: Position, *, own: bool = False
) -> FloatArray:
    """The value of a target whose maps have shape (N, channels, *positions): one per picture.

    With `own`, picture n has the n-th channel as its target, instead of their total.
    """
    total = maps if channels is None else maps[:, list(channels)]
    if own:
        total = total[np.arange(len(total)), np.arange(len(total))][:, None]
    if position == "mean":
        each = total.mean(axis=tuple(range(2, maps.ndim)), dtype=np.float64)
    elif position == "max":
        each = total.reshape(*total.shape[:2], -1).max(axis=2)
    else:
        place = np.ravel_multi_index(position, maps.shape[2:])
        each = total.reshape(*total.shape[:2], -1)[:, :, place]
    found: FloatArray = each.sum(axis=1, dtype=np.float64)
    return found


def _in_order(position: Position, layout: str) -> Position:
    """A position in canonical order (D, H, W), in the order of the tensor's axes."""
    if isinstance(position, str):
        return position
    letters = [letter for letter in layout if letter not in "NC"]
    if len(letters) != len(position):
        return position[: len(letters)]  # a tensor without positions has the place (0, 0)
    canonical = sorted(letters, key="DHW123456789".index)
    return tuple(position[canonical.index(letter)] for letter in letters)


def float_input(model: onnx.ModelProto, name: str) -> bool:
    """Let an input of integers take floats instead, if the network does nothing but cast it to them.

    Changes the model in place; returns whether it did.
    """
    graph = model.graph
    value = next(value for value in graph.input if value.name == name)
    readers = [node for node in graph.node if name in node.input]
    casts = [node for node in readers if node.op_type == "Cast" and node.domain in STANDARD]
    kinds = {item.i for node in casts for item in node.attribute if item.name == "to"}
    floats = {onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16}
    if (
        value.type.tensor_type.elem_type in floats
        or len(casts) < len(readers)
        or not casts
        or not kinds <= floats
    ):
        return False
    value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    return True


def without_branches(
    model: onnx.ModelProto, inputs: Mapping[str, NDArray[Any]], options: RunOptions, folder: Path
) -> tuple[onnx.ModelProto, Mapping[Any, str]]:
    """The model with every If replaced by the branch that it takes for the inputs; see `take_branches`."""

    def compute(part: onnx.ModelProto) -> Sequence[NDArray[Any]]:
        session = open_session(part, choose(options.provider), threads=options.threads, folder=folder)
        needed = {value.name: inputs[value.name] for value in part.graph.input if value.name in inputs}
        return run(session, [value.name for value in part.graph.output], needed)

    return take_branches(model, compute)
