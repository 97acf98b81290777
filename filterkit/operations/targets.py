"""Targets of attribution: filters by address, and outputs of a network as ``MODEL@OUTPUT:INDEX``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from filterkit.errors import NotFoundError, RuntimeFailure, UsageError, closest
from filterkit.geometry import product
from filterkit.operations.corrections import hint_argument_order
from filterkit.operations.maps import check_network, chosen_maps

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    from filterkit.catalog.addresses import Match
    from filterkit.graph.gradient.target import Position
    from filterkit.graph.view.view import GraphView
    from filterkit.records import At, FloatArray
    from filterkit.runtime.network import Network, Target
    from filterkit.session import Session

GRAMMAR = "a target is an address, e.g. vgg16/block3_conv1/7, or MODEL@OUTPUT:INDEX, e.g. open-nsfw@0:1"


@dataclass(frozen=True, eq=False)
class Aim:
    """What is attributed.

    Attributes
    ----------
    name
        As users write it.
    model
        The row of its model.
    target
        The tensor.
    match
        The filters, if it is an address.
    index
        The entry of an output; None for the largest.
    notes
        What users should know of it.
    is_guess
        Whether the axes of the tensor are a guess, as their number is known only when the network runs.
    """

    name: str
    model: Mapping[str, Any]
    target: Target
    match: Match | None = None
    labels: Sequence[str] = ()
    index: int | None = None
    notes: tuple[str, ...] = ()
    is_guess: bool = False

    @property
    def is_after_activation(self) -> bool:
        """Whether it is taken after an activation, which may be 0 where filters do not respond."""
        return self.match is not None and self.target.tensor != self.match.layer["pre_tensor"]

    def called(self, channels: tuple[int, ...] | None) -> str:
        """The name, with the entry of an output that was chosen as the largest."""
        if self.match is not None or self.index is not None or channels is None:
            return self.name
        return f"{self.name}:{channels[0]}"

    def channels(self, count: int) -> tuple[int, ...] | None:
        """The channels of the tensor, which has `count`, whose total is the target; None for the largest.

        Raises
        ------
        UsageError
            There are no such channels.
        """
        import numpy as np

        if self.match is not None:
            return tuple(chosen_maps(np.arange(count), self.match, self.labels).values.tolist())
        if self.index is not None and self.index >= count:
            raise UsageError(
                f"entry {self.index} is outside the output '{self.target.layer}'",
                hint=f"its entries are numbered 0 to {count - 1}",
            )
        return None if self.index is None else (self.index,)


def find_target(session: Session, text: str, images: Iterable[Any], *, at: At, after_softmax: bool) -> Aim:
    """The target that a text names.

    Raises
    ------
    UsageError, NotFoundError
        It names none, or several layers.
    RuntimeFailure
        Its model cannot be run.
    """
    from filterkit.runtime.network import Target

    model, is_output, rest = text.partition("@")
    if is_output and "/" not in model:
        if at != "post":
            raise UsageError(
                f"at={at} has no effect on an output of the network",
                hint="an output of a final Softmax is taken before it, without --after-softmax",
            )
        return _output(session, model, rest, after_softmax=after_softmax)
    if at not in ("post", "pre"):
        raise UsageError(f"at cannot be '{at}'", hint="use post (after the activation) or pre (before it)")
    with hint_argument_order("attribute", text, images, session.matches):
        match = session.one(text, "a target is in one layer")
    if len(match.kernels) * match.layer["filters"] < match.layer["kernels"]:
        raise UsageError(
            "a target is the response of whole filters, not of single kernels",
            hint=f"leave the kernel out: {text.rpartition('/')[0]}",
        )
    check_network(match)
    if after_softmax:
        raise UsageError(
            "after-softmax has no effect on filters", hint=f"it is for outputs, e.g. {match.model['name']}@0"
        )
    row = match.layer
    target = Target(row["name"], row[f"{at}_tensor"], row[f"{at}_layout"], row["scope"])
    (labels,) = session.selected_labels([match])
    return Aim(match.selected_address, match.model, target, match, labels)


def settled(maps: FloatArray, aim: Aim, position: Position) -> tuple[tuple[int, ...], Position]:
    """The channels and the position of a target whose tensor has the values `maps`, for one picture.

    Parameters
    ----------
    maps
        Shape (channels, *positions).
    position
        ``"max"`` is replaced by the place with the largest total.

    Raises
    ------
    UsageError
        There is no such channel or position.
    """
    import numpy as np

    if not isinstance(position, str):
        check_place(position, maps.shape[1:], aim)
    channels = aim.channels(len(maps))
    if channels is None:
        channels = (_largest(maps, position),)
    if position == "max":
        total = np.nan_to_num(maps[list(channels)].sum(axis=0, dtype=np.float64), nan=-np.inf)
        position = tuple(int(place) for place in np.unravel_index(int(total.argmax()), total.shape))
    return channels, position


def with_axes(aim: Aim, network: Network, inputs: Mapping[str, NDArray[Any]]) -> Aim:
    """A target whose axes are a guess, with as many as it has for these inputs: pictures, then entries.

    Raises
    ------
    RuntimeFailure
        It has fewer than two.
    """
    [shape] = network.shapes(inputs).values()
    if len(shape) < 2:
        raise RuntimeFailure(
            f"the output {aim.name} has the shape {shape}, without axes for pictures and for entries",
            hint="choose a filter, or another output",
        )
    layout = "N" + "C" * (len(shape) - 1)
    return replace(aim, target=aim.target._replace(layout=layout), is_guess=False)


def map_size(size: Sequence[int | str | None] | None, layout: str) -> tuple[int, ...] | None:
    """Channels and positions (D, H, W) of a tensor, if all of them are known; 1 × 1 positions if it has none.

    The shape that `filterkit.runtime.network.channels_first` gives it, without the pictures.
    """
    if size is None or len(size) != len(layout):
        return None
    order = sorted(range(len(size)), key=lambda axis: "NCDHW123456789".index(layout[axis]))
    known = [size[axis] for axis in order if layout[axis] != "N"]
    sizes = [each for each in known if isinstance(each, int)]
    if len(sizes) < len(known):
        return None
    channels = layout.count("C")
    return product(sizes[:channels]), *(sizes[channels:] or (1, 1))


def check_place(position: tuple[int, ...], space: Sequence[int], aim: Aim) -> None:
    """Raise UsageError if a map of size `space` has no such position."""
    if len(position) != len(space) or any(map(int.__ge__, position, space)):
        raise UsageError(
            f"position {','.join(map(str, position))} is outside the map of {aim.name}",
            hint=f"its size is {' × '.join(map(str, space))}, and positions are numbered from 0",
        )


def _largest(maps: FloatArray, position: Position) -> int:
    """The channel of maps, shape (channels, *positions), with the largest value."""
    import numpy as np

    flat = maps.reshape(len(maps), -1)
    if position == "mean":
        each = flat.mean(axis=1, dtype=np.float64)
    elif position == "max":
        each = flat.max(axis=1)
    else:
        each = flat[:, np.ravel_multi_index(position, maps.shape[1:])]
    return int(np.nan_to_num(each, nan=-np.inf).argmax())


def _output(session: Session, name: str, rest: str, *, after_softmax: bool) -> Aim:
    from filterkit.catalog import schema
    from filterkit.catalog.addresses import BRIEF_LAYER
    from filterkit.catalog.weights import model_file

    matches = session.matches(name, (schema.model,), BRIEF_LAYER)
    if len({match.model["name"] for match in matches}) > 1:
        raise UsageError(f"'{name}' names several models", hint="run one model at a time")
    check_network(matches[0])
    model = matches[0].model
    path = model_file(session.catalog(), model)
    key = (path, model["name"], model["added_at"], rest, after_softmax)
    found: Aim | None = session.outputs.find(key)
    if found is None:
        found = _aim_of(path, model, rest, after_softmax=after_softmax)
        session.outputs.add(key, found)
    return found


def _aim_of(path: Path, model: Mapping[str, Any], rest: str, *, after_softmax: bool) -> Aim:
    from filterkit.graph.loading.load import open_graph
    from filterkit.runtime.network import Target

    graph = open_graph(path)
    outputs = [value.name for value in graph.model.graph.output]
    output, index = _parsed(rest, outputs)
    notes: tuple[str, ...] = ()
    tensor, is_reshaped = output, False
    if not after_softmax and (before := _before_softmax(graph, output)) is not None:
        tensor, is_reshaped = before
        notes = (
            f"the target is the entry of '{output}' before the final Softmax; --after-softmax takes the "
            "probability",
        )
    layout = _layout(graph, tensor, model, flat=is_reshaped)
    shown = f"{model['name']}@{outputs.index(output)}" + ("" if index is None else f":{index}")
    is_guess = graph.shape(tensor) is None
    return Aim(shown, model, Target(output, tensor, layout), index=index, notes=notes, is_guess=is_guess)


def _parsed(rest: str, outputs: Sequence[str]) -> tuple[str, int | None]:
    """The output and the entry that ``OUTPUT:INDEX`` names; names of outputs may contain colons."""
    if not outputs:
        raise RuntimeFailure("the network has no outputs", hint=GRAMMAR)
    if not rest:
        return outputs[0], None
    if (whole := _named(rest, outputs)) is not None:
        return whole, None
    before, colon, index = rest.rpartition(":")
    output = _named(before, outputs) if colon else None
    if output is None:
        raise NotFoundError(
            f"the network has no output '{before or rest}'",
            hint=closest(before or rest, outputs) if before or rest else GRAMMAR,
        )
    if not (index.isascii() and index.isdigit() and len(index) < 10):
        raise UsageError(f"'{index}' is not the number of an entry of '{output}'", hint=GRAMMAR)
    return output, int(index)


def _named(text: str, outputs: Sequence[str]) -> str | None:
    if text in outputs:
        return text
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
    return outputs[number] if number is not None and number < len(outputs) else None


RESHAPING = ("Reshape", "Flatten", "Squeeze", "Unsqueeze")
"""Operators that keep the order of the entries."""


def _before_softmax(graph: GraphView, output: str) -> tuple[str, bool] | None:
    """The input of the Softmax that makes an output, if one does, and whether it has another shape."""
    makers = {name: node for node in graph.model.graph.node for name in node.output}
    node, is_reshaped = makers.get(output), False
    while node is not None and node.op_type in ("Identity", "Cast", *RESHAPING):
        is_reshaped = is_reshaped or node.op_type in RESHAPING
        node = makers.get(node.input[0])
    if node is None or node.op_type != "Softmax":
        return None
    before = str(node.input[0])
    counts = {_entries(graph, name) for name in (before, output)}
    if is_reshaped and (None in counts or len(counts) > 1):
        return None
    return before, is_reshaped


def _entries(graph: GraphView, tensor: str) -> int | None:
    """How many numbers a tensor has per picture, if the file says so."""
    sizes = (graph.shape(tensor) or (None,))[1:]
    known = [size for size in sizes if isinstance(size, int)]
    return product(known) if sizes and len(known) == len(sizes) else None


def _layout(graph: GraphView, tensor: str, model: Mapping[str, Any], *, flat: bool) -> str:
    """The axes of a tensor: those of pictures if it has four, else (or if `flat`) entries of each picture."""
    from filterkit.graph.axes.trace import trace

    shape, picture = graph.shape(tensor), str(model["input_layout"])
    if shape is None or len(shape) != 4 or flat:
        return "N" + "C" * (len(shape) - 1) if shape else "NC"
    if picture not in ("NCHW", "NHWC"):
        return "NCHW"
    traced = trace(graph, {})
    which, tracks = traced.inputs.index(model["input_name"]), traced.tracks.get(tensor)
    letters = {(which, axis): letter for axis, letter in enumerate(picture)}
    found = [tracks.track(axis) for axis in range(4)] if tracks is not None else []
    sources = [None if each is None else each.source for each in found]
    layout = "".join("C" if source is None else letters.get(source, "C") for source in sources)
    if sorted(layout) == sorted(picture):
        return layout
    wide = [axis for axis in (1, 2, 3) if shape[axis] != 1]  # e.g. after a global pooling
    return "NCHW" if wide == [1] else "NHWC" if wide == [3] else picture
