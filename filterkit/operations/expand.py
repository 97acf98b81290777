"""Multiply out the weights of the path from the input up to filters, for `bank`, `export` and `show`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from filterkit.errors import RuntimeFailure, UsageError

if TYPE_CHECKING:
    from filterkit.catalog.addresses import Match
    from filterkit.records import FloatArray
    from filterkit.session import Session

NOT_ELEMENTWISE = ("crelu", "maxout", "glu")
"""Activations that change the number of channels: there is no identity in their place."""


@dataclass(frozen=True, slots=True, eq=False)
class Expanded:
    """The expanded weights of the filters that a match selects, through the kernels that it selects.

    Attributes
    ----------
    weights
        Shape (filters, channels, *receptive_field), in the units of the network's input.
    channels
        The names of the input's channels, if it takes pictures; else empty.
    ranges
        For each channel, how far apart the inputs for black and for white are, relative to the others.
    """

    weights: FloatArray
    channels: tuple[str, ...]
    ranges: tuple[float, ...]

    def for_display(self) -> FloatArray:
        """The weights of the pixels of a picture, whose channels all have the same range."""
        import numpy as np

        if len(set(self.ranges)) < 2:
            return self.weights
        ranges = np.array(self.ranges, np.float32)
        return self.weights * ranges.reshape(-1, *[1] * (self.weights.ndim - 2))


def expand_each(session: Session, matches: Sequence[Match]) -> Iterator[Expanded]:
    """The expanded weights of several matches, with a progress bar; see `expand`.

    Raises
    ------
    UsageError
        All of them together have too many values.
    """
    from filterkit.runtime.expanded_weights import MOST_VALUES

    values = 0
    with session.progress() as progress:
        for match in matches:
            found = expand(session, match, partial(progress, f"expanding {match.address}"))
            values += found.weights.size
            if values > MOST_VALUES:
                raise UsageError(
                    f"the expanded weights have more than {MOST_VALUES:,} values",
                    hint="select fewer layers or filters",
                )
            yield found


def expand(
    session: Session, match: Match, progress: Callable[[int, int], None] = lambda done, total: None
) -> Expanded:
    """The expanded weights of the filters that `match` selects.

    Raises
    ------
    RuntimeFailure, ModelError
        The model is a checkpoint, or the layer is in a body; its receptive field is unbounded or unknown, or
        a node before it is not linear.
    UsageError
        There are too many values.
    """
    import numpy as np

    from filterkit.catalog.model_input import preprocessing_from
    from filterkit.catalog.weights import model_file
    from filterkit.graph.excerpt.branches import Wanted
    from filterkit.graph.gradient.linear_form import without_activations
    from filterkit.graph.loading.checkpoint import PRODUCER
    from filterkit.runtime.expanded_weights import Layer
    from filterkit.runtime.expanded_weights import expand as multiply_out
    from filterkit.runtime.feature_maps import excerpt_of

    row, model = match.layer, match.model
    obstacles = {
        "the model consists of weights without a network": model["producer"] == PRODUCER,
        f"it is in the body '{row['scope']}'": row["scope"],
        "the network has no input": model["input_name"] is None,
    }
    why = next(filter(obstacles.get, obstacles), None)
    if why is not None:
        raise RuntimeFailure(
            f"{match.address} cannot be expanded: {why}",
            hint="without --expand, its own weights can be drawn and exported",
        )
    path = model_file(session.catalog(), model).resolve()
    wanted = Wanted("", row["pre_tensor"])
    part = excerpt_of(
        path,
        [wanted],
        picture_input=model["input_name"] if model["input_layout"] else None,
        layout=model["input_layout"],
        cache_dir=session.catalog().store.cuts_path(model["sha256"]),
    )
    layers = [one.layer for one in session.matches(model["name"])]
    spans = [
        (one["pre_tensor"], one["post_tensor"])
        for one in layers
        if one["activation"] and one["activation"] not in NOT_ELEMENTWISE and not one["scope"]
    ]
    all_kernels = {*match.kernels} == {*range(row["kernels"] // row["filters"])}
    weights = multiply_out(
        without_activations(part.model, spans),
        Layer(
            match.address,
            row["op"],
            row["groups"],
            row["in_channels"],
            row["out_channels"],
            row["input_tensor"],
            row["weight_tensor"],
            part.tensors[wanted],
            row["pre_layout"],
        ),
        match.filters,
        None if all_kernels else match.kernels,
        entry=model["input_name"],
        rules=session.registry.gradient_rules(),
        path=path,
        progress=progress,
    )
    weights.flags.writeable = False
    preprocessing = preprocessing_from(model["preprocessing"])
    names = preprocessing.channels if preprocessing is not None else ()
    if preprocessing is None or len(names) != weights.shape[1]:
        return Expanded(weights, (), ())
    from filterkit.runtime.preprocessing import span

    black, white = (np.array(ends) for ends in span(preprocessing))
    ranges = (white - black) / np.abs(white - black).max()
    return Expanded(weights, names, tuple(ranges.tolist()))
