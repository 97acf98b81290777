"""An excerpt of a network that runs on pictures or raw tensors."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from filterkit.errors import ImageError, RuntimeFailure
from filterkit.graph.excerpt.branches import Wanted
from filterkit.graph.excerpt.excerpt import Excerpt
from filterkit.graph.excerpt.free_sizes import skeleton_of, window_too_large
from filterkit.graph.layers.picture_input import PICTURE_CHANNELS
from filterkit.graph.view.walk import MAIN
from filterkit.runtime.onnx_session import Input, cast, check_type, fitting, inputs_of, open_session, run
from filterkit.runtime.pictures import LARGEST_SIZE, check_size
from filterkit.runtime.preprocessing import Sides, prepare, scaled
from filterkit.runtime.providers import choose

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

    from filterkit.records import Preprocessing, RunOptions

    Maps = dict[str, NDArray[Any]]


class Target(NamedTuple):
    """A tensor to expose: its layer, name, axes (e.g. ``"NHWC"``) and scope."""

    layer: str
    tensor: str
    layout: str
    scope: str = MAIN

    @property
    def wanted(self) -> Wanted:
        return Wanted(self.scope, self.tensor)


def is_batched(part: Excerpt, tensors: Mapping[Target, str]) -> bool:
    """Whether all outputs share the batch axis of the input, so that several pictures can run together."""
    outputs = {value.name: value.type.tensor_type.shape.dim for value in part.model.graph.output}
    return all(
        len(outputs[name]) == len(target.layout) and outputs[name][target.layout.index("N")].dim_param == "N"
        for target, name in tensors.items()
    )


def channels_first(values: NDArray[Any], target: Target) -> NDArray[Any]:
    """Transpose a tensor to N C and spatial axes in the order D H W, or to N C 1 1 if it has none.

    Several C axes are flattened in C order.
    """
    if values.ndim != len(target.layout):
        raise RuntimeFailure(
            f"the tensor of layer '{target.layer}' has {values.ndim} axes, not {len(target.layout)}"
            f" ({target.layout})",
            hint="check the catalog with `filterkit doctor`",
        )
    order = sorted(range(values.ndim), key=lambda axis: "NCDHW123456789".index(target.layout[axis]))
    turned = values.transpose(order)
    end = 1 + target.layout.count("C")
    turned = turned.reshape(turned.shape[0], math.prod(turned.shape[1:end]), *turned.shape[end:])
    return turned if turned.ndim > 2 else turned[..., None, None]


Size = tuple[int, int] | Literal["original"] | None
"""Height and width, ``"original"`` for the picture's own, or None for the nominal size of the network."""


class Network:
    """An excerpt of a network that computes the targets.

    Parameters
    ----------
    part
        Contains all targets except those left out.
    targets
        The tensors that `maps` returns.
    picture_input
        The input for pictures.
    folder
        Folder of the external data.

    Attributes
    ----------
    provider
        The provider in use: ``"cpu"`` or ``"cuda"``.
    inputs
        The inputs it needs.
    left_out
        Maps layers that cannot be run to the reason.
    """

    def __init__(
        self,
        part: Excerpt,
        targets: Sequence[Target],
        *,
        picture_input: str | None,
        options: RunOptions,
        folder: Path | None,
    ) -> None:
        choice = choose(options.provider)
        self.left_out = {
            target.layer: part.left_out[target.scope] for target in targets if target.scope in part.left_out
        }
        self._known = part.inputs
        self._targets = {
            target: part.tensors[target.wanted] for target in targets if target.scope not in part.left_out
        }
        self._tensors = tuple(dict.fromkeys(self._targets.values()))
        self._batched = is_batched(part, self._targets)
        self._skeleton = skeleton_of(part.model)
        self._fitting_shapes: set[tuple[int, ...]] = set()
        self._picture_input = picture_input
        self._session = open_session(self._to_run(part), choice, threads=options.threads, folder=folder)
        self.provider = choice.name
        self.inputs = inputs_of(self._session)

    def _to_run(self, part: Excerpt) -> onnx.ModelProto:
        """The graph that the session runs: the excerpt's own."""
        return part.model

    def maps(self, inputs: Mapping[str, NDArray[Any]]) -> Maps:
        """Feature maps of raw tensors.

        Parameters
        ----------
        inputs
            One array per input of the graph, passed on unchanged; inputs that the wanted layers do not need
            may be omitted.

        Returns
        -------
        dict
            Layer to array, shape (N, C, *spatial), whatever the layout in the graph. Layers in a branch that
            an If does not take for these inputs are missing.

        Raises
        ------
        RuntimeFailure
            If the inputs do not match, or ONNX Runtime fails.
        """
        values = run(self._session, self._tensors, self.fitting(inputs))
        by_tensor = dict(zip(self._tensors, values, strict=True))
        return {
            target.layer: channels_first(by_tensor[name], target)
            for target, name in self._targets.items()
            if not (target.scope and by_tensor[name].shape == (0,))
        }

    def shapes(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, tuple[int, ...]]:
        """The shape of each tensor as it is in the graph, by layer; parameters and errors as of `maps`."""
        values = run(self._session, self._tensors, self.fitting(inputs))
        by_tensor = dict(zip(self._tensors, values, strict=True))
        return {target.layer: by_tensor[name].shape for target, name in self._targets.items()}

    def fitting(self, inputs: Mapping[str, NDArray[Any]]) -> Maps:
        """Those of the inputs that the network needs; raises as `maps` does if they do not match."""
        return fitting(inputs, self.inputs, self._known)

    def picture_maps(
        self,
        pictures: Iterable[NDArray[Any]],
        preprocessing: Preprocessing,
        *,
        size: Size = None,
        declared: Sides = (None, None),
        batch: int = 8,
    ) -> Iterator[Maps]:
        """Feature maps of pictures, one picture at a time; only one batch is in memory.

        Parameters
        ----------
        pictures
            See `filterkit.runtime.preprocessing.prepare`.
        size
            Size to resize to. None uses the size fixed by the graph, else the nominal size, else the size of
            the picture; if only height or width is fixed, the other follows from the aspect ratio.
        declared
            Height and width that the file declares for the input, if the graph also accepts others.
        batch
            Number of pictures of the same size per run, if the network accepts batches.

        Yields
        ------
        dict
            Layer to array, shape (1, C, *spatial).

        Raises
        ------
        ImageError
            If the network does not accept such pictures: wrong channels or size, or too small.
        RuntimeFailure
            If the network needs other inputs, a layer's output is not separable by picture, or ONNX Runtime
            fails.
        """
        entry = self._takes_pictures(preprocessing)
        prepared = (self._prepared(picture, entry, preprocessing, size, declared) for picture in pictures)
        for group, missing in self._batches(prepared, entry, preprocessing, batch):
            maps = self.maps({entry.name: _one_batch(group + group[-1:] * missing)})
            check_one_by_one(maps, len(group) + missing)
            for index in range(len(group)):
                whole = len(group) + missing == 1
                yield {
                    layer: values if whole else values[index : index + 1] for layer, values in maps.items()
                }
            del maps  # before the next batch is computed

    def _batches(
        self, prepared: Iterable[NDArray[Any]], entry: Input, preprocessing: Preprocessing, batch: int
    ) -> Iterator[tuple[list[NDArray[Any]], int]]:
        """Group prepared pictures; with how many more of the last one fill a batch of fixed size."""
        count = entry.shape[preprocessing.layout.index("N")]
        fixed = count if isinstance(count, int) else None
        together = fixed or (max(1, batch) if self._batched else 1)
        for group in _runs(prepared, together, pixels=None if fixed else LARGEST_SIZE):
            yield group, together - len(group) if fixed else 0

    def prepared(
        self, picture: NDArray[Any], preprocessing: Preprocessing, size: Size, declared: Sides
    ) -> tuple[Input, NDArray[Any]]:
        """The picture's input, and what it takes: one picture. Parameters and errors as of `picture_maps`."""
        entry = self._takes_pictures(preprocessing)
        return entry, self._prepared(picture, entry, preprocessing, size, declared)

    def input_size(
        self, own: tuple[int, int], preprocessing: Preprocessing, size: Size, declared: Sides
    ) -> tuple[int, int]:
        """Height and width of the input for a picture of such a size; parameters as of `prepared`."""
        return _taken_size(own, self._takes_pictures(preprocessing), preprocessing, size, declared)

    def takes_any_size(self, preprocessing: Preprocessing) -> bool:
        """Whether both height and width are free."""
        return any(
            entry.name == self._picture_input
            and len(entry.shape) == len(preprocessing.layout)
            and _fixed(entry, preprocessing) == (None, None)
            for entry in self.inputs
        )

    def _takes_pictures(self, preprocessing: Preprocessing) -> Input:
        """The picture input, after checking that it is the only input and accepts pictures."""
        others = [entry for entry in self.inputs if entry.name != self._picture_input]
        by_hand = "give raw tensors with --input FILE.npz"
        if others:
            names = ", ".join(map(str, others))
            kind = "inputs other than pictures" if len(others) == len(self.inputs) else "more than a picture"
            if len(others) == len(self.inputs) == 1 and _like_a_picture(others[0]):
                spec = shlex.quote(f"unit:input={others[0].name}")
                by_hand = f"add the model with --replace --preprocessing {spec}, or {by_hand}"
            raise RuntimeFailure(f"these layers need {kind}: {names}", hint=by_hand)
        if not self.inputs:
            raise RuntimeFailure("these layers do not depend on the picture")
        entry = self.inputs[0]
        if len(entry.shape) != len(preprocessing.layout):
            raise ImageError(f"input {entry} does not accept pictures", hint=by_hand)
        check_type(entry)
        channels = entry.shape[preprocessing.layout.index("C")]
        own = preprocessing.channels
        if isinstance(channels, int) and channels != len(own):
            some = ", ".join(own[:4]) + (", …" if len(own) > 4 else "")
            raise ImageError(
                f"the network takes {channels} channels; a picture has {len(own)} ({some})",
                hint=by_hand,
            )
        return entry

    def obstacle(self, entry: Input, shape: tuple[int, ...]) -> str | None:
        """What keeps an input of this shape from being computed: a node whose window is larger; else None."""
        return window_too_large(self._skeleton, entry.name, shape)

    def _prepared(
        self,
        picture: NDArray[Any],
        entry: Input,
        preprocessing: Preprocessing,
        size: Size,
        declared: Sides,
    ) -> NDArray[Any]:
        own = (picture.shape[0], picture.shape[1])
        takes = _taken_size(own, entry, preprocessing, size, declared)
        count = entry.shape[preprocessing.layout.index("N")]
        if takes != own or isinstance(count, int):
            together = count if isinstance(count, int) else 1
            check_size(*takes, together=together, channels=picture.shape[2], whose="this network takes ")
        values = cast(prepare(picture, preprocessing, takes), entry.dtype)
        if values.shape not in self._fitting_shapes:
            obstacle = self.obstacle(entry, values.shape)
            if obstacle is not None:
                raise ImageError(
                    f"a picture of {takes[0]} × {takes[1]} pixels is too small for this network: {obstacle}",
                    hint="use a larger picture or size, or layers closer to the input",
                )
            self._fitting_shapes.add(values.shape)
        return values


def _like_a_picture(entry: Input) -> bool:
    shape = entry.shape
    return len(shape) == 4 and (shape[1] in PICTURE_CHANNELS or shape[3] in PICTURE_CHANNELS)


def _taken_size(
    own: tuple[int, int], entry: Input, preprocessing: Preprocessing, size: Size, declared: Sides
) -> tuple[int, int]:
    """Height and width to which a picture of a size of its `own` is resized."""
    fixed = _fixed(entry, preprocessing)
    nominal = preprocessing.size if preprocessing.size and min(preprocessing.size) > 0 else None
    if size is not None or nominal is not None:
        wanted = own if size == "original" else size or nominal or own
    else:
        wanted = scaled(own, (fixed[0] or declared[0], fixed[1] or declared[1]))
    takes = (fixed[0] or wanted[0], fixed[1] or wanted[1])
    if takes != wanted and (size is not None or "size" in preprocessing.stated):
        raise ImageError(
            f"this network only takes pictures of {takes[0]} × {takes[1]} pixels (height × width), "
            f"not {wanted[0]} × {wanted[1]}",
            hint="omit the size to have the picture resized"
            if size is not None
            else "add the model with --replace and a --preprocessing of that size or without a size",
        )
    return takes


def _fixed(entry: Input, preprocessing: Preprocessing) -> Sides:
    """Height and width that an input fixes."""
    sizes = (entry.shape[preprocessing.layout.index(axis)] for axis in "HW")
    height, width = (size if isinstance(size, int) else None for size in sizes)
    return height, width


def check_one_by_one(maps: Maps, pictures: int) -> None:
    """Reject graphs that split pictures along the batch axis, as the pieces cannot be attributed."""
    for layer, values in maps.items():
        if len(values) != pictures:
            raise RuntimeFailure(
                f"the output of layer '{layer}' is not separable by picture: "
                f"{len(values)} pieces for {pictures} pictures",
                hint="choose other layers, or run this one alone with --input FILE.npz",
            )


def _runs(
    arrays: Iterable[NDArray[Any]], most: int, *, pixels: int | None = None
) -> Iterator[list[NDArray[Any]]]:
    """Group consecutive arrays of one shape, at most `most` and at most `pixels` in total."""
    group: list[NDArray[Any]] = []
    for array in arrays:
        room = most if pixels is None else min(most, max(1, pixels * 3 // array.size))
        if group and (len(group) >= room or array.shape != group[0].shape):
            yield group
            group = []
        group.append(array)
    if group:
        yield group


def _one_batch(group: list[NDArray[Any]]) -> NDArray[Any]:
    return group[0] if len(group) == 1 else np.concatenate(group)
