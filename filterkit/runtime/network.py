"""A part of a network, opened and run on pictures or raw tensors."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from filterkit.errors import ImageError, RuntimeFailure
from filterkit.graph.excerpt.excerpt import Excerpt
from filterkit.graph.excerpt.free_sizes import skeleton_of, window_too_large
from filterkit.graph.layers.picture_input import PICTURE_CHANNELS
from filterkit.runtime.graph_inputs import Input, cast, check_type, fitting, inputs_of
from filterkit.runtime.onnx_session import open_session, run
from filterkit.runtime.pictures import LARGEST_SIZE, check_size
from filterkit.runtime.preprocessing import Sides, prepare, scaled
from filterkit.runtime.providers import choose
from filterkit.runtime.targets import Target, channels_first, is_batched

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.records import Preprocessing

    Maps = dict[str, NDArray[Any]]

Size = tuple[int, int] | Literal["original"] | None
"""Height and width, the picture's own, or None for the network's nominal size."""


class Network:
    """The part of a network that makes the targets, ready to run.

    Parameters
    ----------
    part
        Holds every target but those that it leaves out.
    targets
        What `maps` returns.
    picture_input
        The input that takes pictures.
    folder
        Where external data lies.

    Attributes
    ----------
    provider
        What it runs on: ``"cpu"`` or ``"cuda"``.
    inputs
        What it needs.
    left_out
        From a layer that cannot be run to the reason.
    """

    def __init__(
        self,
        part: Excerpt,
        targets: Sequence[Target],
        *,
        picture_input: str | None,
        provider: str,
        threads: int | None,
        folder: Path | None,
    ) -> None:
        choice = choose(provider)
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
        self._session = open_session(part.model, choice, threads=threads, folder=folder)
        self.provider = choice.name
        self.inputs = inputs_of(self._session)

    def maps(self, inputs: Mapping[str, NDArray[Any]]) -> Maps:
        """Feature maps of raw tensors.

        Parameters
        ----------
        inputs
            One array per input of the graph, passed on as it is; inputs that the wanted layers do not need
            may be left out.

        Returns
        -------
        dict
            Layer to array, shape (N, C, *spatial), whatever the layout in the graph. Layers that stand in a
            branch which an If does not take for these inputs are missing.

        Raises
        ------
        RuntimeFailure
            The inputs do not fit, or ONNX Runtime fails.
        """
        values = run(self._session, self._tensors, fitting(inputs, self.inputs, self._known))
        by_tensor = dict(zip(self._tensors, values, strict=True))
        return {
            target.layer: channels_first(by_tensor[name], target)
            for target, name in self._targets.items()
            if not (target.scope and by_tensor[name].shape == (0,))
        }

    def picture_maps(
        self,
        pictures: Iterable[NDArray[Any]],
        preprocessing: Preprocessing,
        *,
        size: Size = None,
        declared: Sides = (None, None),
        batch: int = 8,
    ) -> Iterator[Maps]:
        """Feature maps of pictures, one picture after the other; only one batch is in memory at a time.

        Parameters
        ----------
        pictures
            As `filterkit.runtime.preprocessing.prepare` takes them.
        size
            What to resize to. None takes the size that the graph fixes, else the nominal one, else the
            picture's own; where only the height or the width is fixed, the other follows from the picture's
            aspect.
        declared
            Height and width that the file states for the input, where the graph takes others, too.
        batch
            How many pictures of one size run together, where the network takes several.

        Yields
        ------
        dict
            Layer to array, shape (1, C, *spatial).

        Raises
        ------
        ImageError
            The network takes no pictures like these: other channels, another size, or larger ones only.
        RuntimeFailure
            The network needs more than a picture, a layer does not answer picture by picture, or ONNX Runtime
            fails.
        """
        entry = self._takes_pictures(preprocessing)
        count = entry.shape[preprocessing.layout.index("N")]
        fixed = count if isinstance(count, int) else None
        together = fixed or (max(1, batch) if self._batched else 1)
        prepared = (self._prepared(picture, entry, preprocessing, size, declared) for picture in pictures)
        for group in _runs(prepared, together, pixels=None if fixed else LARGEST_SIZE):
            # A network that takes exactly so many pictures gets the last one again; its answer is dropped.
            missing = together - len(group) if fixed else 0
            maps = self.maps({entry.name: _one_batch(group + group[-1:] * missing)})
            _check_one_by_one(maps, len(group) + missing)
            for index in range(len(group)):
                whole = len(group) + missing == 1
                yield {
                    layer: values if whole else values[index : index + 1] for layer, values in maps.items()
                }
            del maps  # before the next batch is computed

    def takes_any_size(self, preprocessing: Preprocessing) -> bool:
        """Whether height and width are both free here."""
        return any(
            entry.name == self._picture_input
            and len(entry.shape) == len(preprocessing.layout)
            and _fixed(entry, preprocessing) == (None, None)
            for entry in self.inputs
        )

    def _takes_pictures(self, preprocessing: Preprocessing) -> Input:
        """The picture input, once it is known to be all that is needed and to fit pictures."""
        others = [entry for entry in self.inputs if entry.name != self._picture_input]
        by_hand = "give raw tensors with --input FILE.npz"
        if others:
            words = ", ".join(map(str, others))
            kind = "other inputs than pictures" if len(others) == len(self.inputs) else "more than a picture"
            if len(others) == len(self.inputs) == 1 and _like_a_picture(others[0]):
                spec = shlex.quote(f"unit:input={others[0].name}")
                by_hand = f"filterkit add --replace with --preprocessing {spec}; or {by_hand}"
            raise RuntimeFailure(f"these layers need {kind}: {words}", hint=by_hand)
        if not self.inputs:
            raise RuntimeFailure("these layers do not depend on the picture")
        entry = self.inputs[0]
        if len(entry.shape) != len(preprocessing.layout):
            raise ImageError(f"the input {entry} takes no pictures", hint=by_hand)
        check_type(entry)
        channels = entry.shape[preprocessing.layout.index("C")]
        names = preprocessing.channels
        if isinstance(channels, int) and channels != len(names):
            some = ", ".join(names[:4]) + (", …" if len(names) > 4 else "")
            raise ImageError(
                f"the network takes {channels} channels; a picture has {len(names)} ({some})",
                hint=by_hand,
            )
        return entry

    def _prepared(
        self,
        picture: NDArray[Any],
        entry: Input,
        preprocessing: Preprocessing,
        size: Size,
        declared: Sides,
    ) -> NDArray[Any]:
        own = (picture.shape[0], picture.shape[1])
        fixed = _fixed(entry, preprocessing)
        nominal = preprocessing.size if preprocessing.size and min(preprocessing.size) > 0 else None
        if size is not None or nominal is not None:
            wanted = own if size == "original" else size or nominal or own
        else:
            wanted = scaled(own, (fixed[0] or declared[0], fixed[1] or declared[1]))
        takes = (fixed[0] or wanted[0], fixed[1] or wanted[1])
        if takes != wanted and (size is not None or "size" in preprocessing.stated):
            raise ImageError(
                f"this network takes pictures of {takes[0]} × {takes[1]} pixels (height × width) only, "
                f"not of {wanted[0]} × {wanted[1]}",
                hint="leave the size out, and the picture is resized"
                if size is not None
                else "filterkit add --replace with a --preprocessing of that size, or of none",
            )
        count = entry.shape[preprocessing.layout.index("N")]
        if takes != own or isinstance(count, int):
            together = count if isinstance(count, int) else 1
            check_size(*takes, together=together, channels=picture.shape[2], whose="this network takes ")
        values = cast(prepare(picture, preprocessing, takes), entry.dtype)
        if values.shape not in self._fitting_shapes:
            obstacle = window_too_large(self._skeleton, entry.name, values.shape)
            if obstacle is not None:
                raise ImageError(
                    f"a picture of {takes[0]} × {takes[1]} pixels is too small for this network: {obstacle}",
                    hint="take a larger picture or size, or layers nearer to the input",
                )
            self._fitting_shapes.add(values.shape)
        return values


def _like_a_picture(entry: Input) -> bool:
    shape = entry.shape
    return len(shape) == 4 and (shape[1] in PICTURE_CHANNELS or shape[3] in PICTURE_CHANNELS)


def _fixed(entry: Input, preprocessing: Preprocessing) -> Sides:
    """Height and width that an input fixes."""
    sizes = (entry.shape[preprocessing.layout.index(axis)] for axis in "HW")
    height, width = (size if isinstance(size, int) else None for size in sizes)
    return height, width


def _check_one_by_one(maps: Maps, pictures: int) -> None:
    """Some graphs cut pictures into pieces along the batch axis: which piece is whose cannot be known."""
    for layer, values in maps.items():
        if len(values) != pictures:
            raise RuntimeFailure(
                f"layer '{layer}' does not answer picture by picture: "
                f"of {pictures} it made {len(values)} pieces",
                hint="take other layers, or this one alone with --input FILE.npz",
            )


def _runs(
    arrays: Iterable[NDArray[Any]], most: int, *, pixels: int | None = None
) -> Iterator[list[NDArray[Any]]]:
    """Neighbours of one shape, at most so many together; fewer where they would have more `pixels` in all."""
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
