"""Run a network without filters of a layer: exactly, or as an estimate from gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from filterkit.errors import ImageError, ModelError, RuntimeFailure, UsageError
from filterkit.operations.attributed_network import AttributedNetwork, AttributeOptions
from filterkit.operations.requested_pictures import parse_size, picture_preprocessing, read_pictures
from filterkit.operations.targets import Aim, settled

if TYPE_CHECKING:
    import numpy as np
    import onnx
    from numpy.typing import NDArray

    from filterkit.catalog.addresses import Match
    from filterkit.graph.gradient.target import Position
    from filterkit.records import FloatArray, RunOptions, SourceImage
    from filterkit.runtime.ablation import Ablation
    from filterkit.runtime.network import Network, Target
    from filterkit.runtime.pictures import Picture
    from filterkit.session import Session

TWO_PER_FILTER = "crelu"
"""The activation after which a layer has two maps per filter: all of the second kind follow the first."""

MERGING = ("maxout", "glu")
"""Activations that merge the maps of filters."""


class Example(NamedTuple):
    """One picture, as the network takes it; its inputs are repeated if the graph fixes the batch size."""

    name: str
    inputs: Mapping[str, NDArray[Any]]
    batch: int


class Measured(NamedTuple):
    """What an example gives for a layer.

    Attributes
    ----------
    target
        The name of the target.
    before, after
        Its value, and that without each of the filters, shape (filters,).
    maps
        The maps of the layer, shape (channels, *positions), if they are known.
    """

    target: str
    before: float
    after: FloatArray
    maps: FloatArray | None


@dataclass(frozen=True, eq=False)
class AblatedNetwork:
    """A network with a target.

    Attributes
    ----------
    position
        Where the target is measured, as from `parse_position`.
    """

    session: Session
    aim: Aim
    position: Position
    rules: Sequence[str]
    options: RunOptions

    @cached_property
    def path(self) -> Path:
        """The file of the model."""
        from filterkit.catalog.weights import model_file

        return model_file(self.session.catalog(), self.aim.model).resolve()

    @cached_property
    def network(self) -> Network:
        """The whole network, which prepares pictures."""
        from filterkit.runtime.feature_maps import open_network

        model = self.aim.model
        return open_network(
            self.path,
            [self.aim.target],
            picture_input=model["input_name"] if model["input_layout"] else None,
            layout=model["input_layout"],
            options=self.options,
            cache_dir=self.session.catalog().store.cuts_path(model["sha256"]),
            opened=self.session.networks,
        )

    @cached_property
    def model(self) -> onnx.ModelProto:
        """The whole model, for `Ablation`."""
        from filterkit.runtime.ablation import runnable

        return runnable(self.path)

    def examples(
        self, pictures: Sequence[Picture | SourceImage], unreadable: Callable[[ImageError], None] | None
    ) -> Iterator[Example]:
        """The pictures, read and prepared one after the other; those that cannot be read are left out."""
        import numpy as np

        from filterkit.graph.layers.picture_input import fixed_size

        model, preprocessing = self.aim.model, picture_preprocessing(self.aim.model)
        size, several = parse_size(self.options.size), len(pictures) > 1
        declared = fixed_size(model["input_shape"], model["input_layout"])
        read = read_pictures(
            *(self.network, model, preprocessing, pictures, size),
            unreadable if several else None,
            several=several,
        )
        axis = preprocessing.layout.index("N")
        for name, _, pixels in read:
            entry, fed = self.network.prepared(pixels, preprocessing, size, declared)
            count = entry.shape[axis]
            batch = count if isinstance(count, int) else 1
            yield Example(name, {entry.name: np.repeat(fed, batch, axis=axis)}, batch)

    def examples_of(self, inputs: Mapping[str, NDArray[Any]]) -> Iterator[Example]:
        """The inputs of the graph: one example for each position of the first axis, which all share."""
        import numpy as np

        arrays = self.network.fitting(inputs)
        counts = {len(array) if array.ndim else 1 for array in arrays.values()}
        if 0 in counts:
            raise UsageError("the inputs are empty: an array has no elements along its first axis")
        count = counts.pop() if len(counts) == 1 else 1
        if count == 1:
            yield Example("input", arrays, 1)
            return
        firsts = {entry.shape[0] for entry in self.network.inputs if entry.shape}
        batch = count if count in firsts else 1
        for number in range(count):
            some = {name: array[number : number + 1] for name, array in arrays.items()}
            one = {name: np.repeat(array, batch, axis=0) for name, array in some.items()}
            yield Example(f"input_{number}", one, batch)

    def ablation(self, match: Match) -> Ablation | None:
        """The network cut at a layer; None if the target does not depend on it."""
        from filterkit.runtime.ablation import Ablation

        model = self.aim.model
        made = Ablation(
            self.model,
            self._tensor(match),
            match.layer["filters"] * (2 if self._is_doubled(match) else 1),
            self.aim.target,
            picture_input=model["input_name"] if model["input_layout"] else None,
            layout=model["input_layout"],
            options=self.options,
            folder=self.path.parent,
        )
        return made if made.depends else None

    def exact(
        self,
        match: Match,
        ablation: Ablation,
        example: Example,
        filters: Sequence[int],
        advance: Callable[[int], None] = lambda _: None,
    ) -> Measured:
        """Run the network without each of some filters of a layer.

        Parameters
        ----------
        ablation
            From `ablation`.
        advance
            Called with numbers of filters that are done.
        """
        import numpy as np

        from filterkit.runtime.differentiable import value_of

        state = ablation.head(example.inputs, example.batch)
        maps, whole = ablation.maps(state), ablation.whole(state)
        channels, position = settled(whole[0], self.aim, self.position)
        before = float(value_of(whole, channels, position)[0])
        count = match.layer["filters"]
        parts = [(number, number + count) if self._is_doubled(match) else (number,) for number in filters]
        silent = self._silent(match, maps)
        awake = [place for place, part in enumerate(parts) if not all(silent[channel] for channel in part)]
        advance(len(filters) - len(awake))
        after, done = np.full(len(filters), before), 0
        for found in ablation.without(state, [parts[place] for place in awake]):
            after[awake[done : done + len(found)]] = value_of(found, channels, position)
            advance(len(found))
            done += len(found)
        return self._measured(match, channels, before, after, maps)

    def estimates(self, layers: Sequence[tuple[Match, Sequence[int]]], example: Example) -> list[Measured]:
        """As `exact`, for some filters of each layer, by the gradient times the activation.

        See Molchanov et al. 2017. One run of the network gives the gradients of all layers.

        Raises
        ------
        UsageError
            A layer is in a body, through which there are no gradients.
        """
        import numpy as np

        from filterkit.runtime.differentiable import value_of

        for match, _ in layers:
            if match.layer["scope"]:
                raise UsageError(
                    f"{match.address} has no estimates: it is in the body of an If, a Loop or a Scan",
                    hint="leave out --estimate",
                )
        tensors = [self._tensor(match) for match, _ in layers]
        ((name, fed),) = example.inputs.items()
        entry = next(each for each in self.network.inputs if each.name == name)
        preprocessing = picture_preprocessing(self.aim.model)
        attributed = AttributedNetwork(
            self.session, self.aim, preprocessing, AttributeOptions(rules=self.rules), self.options
        )
        network, _ = attributed.differentiable(entry, fed)
        picture = network.entry.taken(fed)[0]
        network = replace(network, tensors={**network.tensors, **{each: each.tensor for each in tensors}})
        whole = network.maps(np.repeat(picture[None], network.entry.batch or 1, axis=0))[:1]
        channels, position = settled(whole[0], self.aim, self.position)
        before = float(value_of(whole, channels, position)[0])
        try:
            _, computed = network.of(channels).gradients_at(picture, position, tensors)
        except ModelError as error:
            hint = error.hint or "leave out --estimate, which needs gradients"
            raise ModelError(error.message, hint=hint) from error
        found = []
        for (match, filters), (maps, slopes) in zip(layers, computed, strict=True):
            each = (maps.astype(np.float64) * slopes).reshape(len(maps), -1).sum(axis=1)
            if self._is_doubled(match):
                each = each.reshape(2, -1).sum(axis=0)
            found.append(self._measured(match, channels, before, before - each[list(filters)], maps))
        return found

    def _measured(
        self,
        match: Match,
        channels: tuple[int, ...],
        before: float,
        after: FloatArray,
        maps: FloatArray | None,
    ) -> Measured:
        import numpy as np

        if not (np.isfinite(before) and np.isfinite(after).all()):
            raise RuntimeFailure(
                f"the value of {self.aim.name} is NaN or infinite for this picture",
                hint=f"filterkit maps {self.aim.model['name']} IMAGE shows the range of every layer",
            )
        count = match.layer["filters"]
        shown = maps if maps is not None and maps.dtype.kind == "f" and len(maps) == count else None
        if shown is not None and self._is_rectified(match):
            shown = np.maximum(shown, 0)
        return Measured(self.aim.called(channels), before, after, shown)

    def _tensor(self, match: Match) -> Target:
        from filterkit.runtime.network import Target

        row, at = match.layer, self.options.at
        if at == "post" and row["activation"] in MERGING:
            raise UsageError(
                f"{row['activation']} merges the filters of {match.address} into fewer maps",
                hint="use --at pre",
            )
        return Target(row["name"], row[f"{at}_tensor"], row[f"{at}_layout"], row["scope"])

    def _is_doubled(self, match: Match) -> bool:
        return self.options.at == "post" and match.layer["activation"] == TWO_PER_FILTER

    def _is_rectified(self, match: Match) -> bool:
        """Whether Relu alone follows where the maps are zeroed."""
        row = match.layer
        is_direct = row["batchnorm"] in (None, "folded") and row["norm"] is None
        return self.options.at == "pre" and row["activation"] == "relu" and is_direct

    def _silent(self, match: Match, maps: NDArray[Any] | None) -> NDArray[np.bool_]:
        """Whether each channel is zero already, for all that comes later: nothing changes without it."""
        import numpy as np

        count = match.layer["filters"] * (2 if self._is_doubled(match) else 1)
        if maps is None or maps.dtype.kind != "f" or len(maps) != count:
            return np.zeros(count, bool)
        flat = maps.reshape(count, -1)
        is_zero = flat <= 0 if self._is_rectified(match) else flat == 0
        found: NDArray[np.bool_] = np.all(is_zero, axis=1)
        return found
