"""An excerpt of a network that computes, for each picture and filter, a few numbers instead of a map."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from filterkit.errors import RuntimeFailure
from filterkit.graph.view.walk import MAIN
from filterkit.responses.exposed_maps import expose_maps
from filterkit.responses.graph import Reduced, places, reduce_maps, spatial_sizes
from filterkit.runtime.network import Network, Target, channels_first
from filterkit.runtime.onnx_session import fitting, run

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

    from filterkit.graph.excerpt.excerpt import Excerpt
    from filterkit.records import Preprocessing

    Values = NDArray[np.float32]

VALUES_PER_PROCESSOR = 100_000
"""Values of pictures that run together on a CPU, per processor: the feature maps of more do not stay in its
caches, and reducing them takes twice as long."""

INSIDE = "it is in the branch of an If, which not every picture takes"


class LayerResponses(NamedTuple):
    """The responses of a layer to some pictures, each but `sizes` of shape (pictures, channels).

    Attributes
    ----------
    max, min
        Over all positions.
    max_place, min_place
        The number of the first position with that value, counted along the spatial axes in the order D H W.
    mean, mean_square
        Over all positions.
    active
        Share of positions above 0.
    sizes
        The sizes of the spatial axes.
    maps
        The maps themselves, shape (pictures, channels, *spatial) with axes in the order D H W, if they leave
        the session.
    """

    max: Values
    max_place: NDArray[np.int64]
    min: Values
    min_place: NDArray[np.int64]
    mean: Values
    mean_square: Values
    active: Values
    sizes: tuple[int, ...]
    maps: Values | None = None

    @property
    def positions(self) -> int:
        """The number of positions of each map."""
        return int(np.prod(self.sizes, dtype=np.int64))

    def of(self, pictures: slice | NDArray[np.intp]) -> LayerResponses:
        """The responses to some of the pictures."""
        return LayerResponses(
            self.max[pictures],
            self.max_place[pictures],
            self.min[pictures],
            self.min_place[pictures],
            self.mean[pictures],
            self.mean_square[pictures],
            self.active[pictures],
            self.sizes,
            None if self.maps is None else self.maps[pictures],
        )


Responses = Mapping[str, LayerResponses]
"""By layer."""


class ResponseNetwork(Network):
    """As `Network`, but maps are reduced inside the session; takes the same parameters, and `with_maps`.

    Parameters
    ----------
    with_maps
        Whether the maps leave the session as well; those of one batch are then in memory.
    """

    _reduced: Mapping[str, Reduced]

    def __init__(self, *args: Any, with_maps: bool = False, **options: Any) -> None:
        self._with_maps = with_maps
        self._maps: Mapping[str, str] = {}
        super().__init__(*args, **options)

    def _to_run(self, part: Excerpt) -> onnx.ModelProto:
        for target in [target for target in self._targets if target.scope != MAIN]:
            self.left_out[target.layer] = INSIDE
            del self._targets[target]
        if not self._targets:
            raise RuntimeFailure(f"the layers cannot be observed: {INSIDE}")
        layouts = {name: target.layout for target, name in self._targets.items()}
        self._reduced = reduce_maps(part.model, layouts)
        if self._with_maps:
            self._maps = expose_maps(part.model, layouts)
        return part.model

    def input_responses(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, LayerResponses]:
        """Responses to raw tensors; parameters and errors as of `maps`."""
        return self._by_layer([self._values(inputs)])

    def _values(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """All outputs of one run, by name; maps with channels first."""
        names = [name for reduced in self._reduced.values() for name in reduced]
        names += self._maps.values()
        values = run(self._session, names, fitting(inputs, self.inputs, self._known))
        by_name = dict(zip(names, values, strict=True))
        for target, tensor in self._targets.items() if self._maps else ():
            own = self._maps[tensor]
            by_name[own] = channels_first(by_name[own], target)
        return by_name

    def _by_layer(self, runs: Sequence[Mapping[str, NDArray[Any]]]) -> dict[str, LayerResponses]:
        """The responses to the pictures of some runs, all of one size, from their `_values`."""
        values = runs[0]
        if len(runs) > 1:
            shapes = {names.shape: values[names.shape] for names in self._reduced.values()}
            values = {name: np.concatenate([each[name] for each in runs]) for name in values.keys() - shapes}
            values |= shapes
        return {
            target.layer: _responses(
                self._reduced[tensor], values, target, values.get(self._maps.get(tensor, ""))
            )
            for target, tensor in self._targets.items()
        }

    def responses(
        self, prepared: Iterable[NDArray[Any]], preprocessing: Preprocessing, *, batch: int = 8
    ) -> Iterator[tuple[int, dict[str, LayerResponses]]]:
        """The responses to pictures, batch by batch: how many pictures, and their responses.

        Parameters
        ----------
        prepared
            Pictures from `prepared`; only one batch is in memory.
        batch
            Number of pictures of the same size per run, if the network accepts batches.

        Raises
        ------
        ImageError, RuntimeFailure
            As `picture_maps`.
        """
        entry = self._takes_pictures(preprocessing)
        fixed = isinstance(entry.shape[preprocessing.layout.index("N")], int)
        for group, missing in self._batches(prepared, entry, preprocessing, batch):
            whole = group + group[-1:] * missing
            found = self._in_runs(entry.name, whole, fixed=fixed)
            for layer, values in found.items():
                if len(values.max) != len(whole):
                    raise RuntimeFailure(
                        f"the output of layer '{layer}' is not separable by picture: "
                        f"{len(values.max)} pieces for {len(whole)} pictures",
                        hint="choose other layers",
                    )
            yield (
                len(group),
                {layer: values.of(slice(len(group))) for layer, values in found.items()}
                if missing
                else found,
            )
            del found, values  # before the next batch is computed

    def _in_runs(
        self, name: str, pictures: Sequence[NDArray[Any]], *, fixed: bool
    ) -> dict[str, LayerResponses]:
        """The responses to pictures of one size; `fixed` if the network only runs all of them together."""
        together = len(pictures)
        if self.provider == "cpu" and not fixed:
            together = max(1, VALUES_PER_PROCESSOR * (os.cpu_count() or 1) // pictures[0].size)
        runs = [pictures[start : start + together] for start in range(0, len(pictures), together)]
        return self._by_layer(
            [self._values({name: some[0] if len(some) == 1 else np.concatenate(some)}) for some in runs]
        )


def _responses(
    names: Reduced, values: Mapping[str, NDArray[Any]], target: Target, maps: Values | None
) -> LayerResponses:
    shape: Sequence[int] = values[names.shape].tolist()
    if len(shape) != len(target.layout):
        raise RuntimeFailure(
            f"the tensor of layer '{target.layer}' has {len(shape)} axes, not {len(target.layout)} "
            f"({target.layout})",
            hint="check the catalog with `filterkit doctor`",
        )

    sizes = spatial_sizes(shape, target.layout)

    def place(row: str, column: str) -> NDArray[np.int64]:
        return places(values[row], values[column], sizes)[..., 0]

    return LayerResponses(
        values[names.max][..., 0],
        place(names.max_row, names.max_column),
        values[names.min][..., 0],
        place(names.min_row, names.min_column),
        values[names.mean],
        values[names.mean_square],
        values[names.active],
        sizes,
        maps,
    )
