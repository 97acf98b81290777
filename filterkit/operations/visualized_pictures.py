"""The pictures that a visualization requests, and those that are kept in the store already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filterkit.operations.visualized_network import Objective, is_signal

if TYPE_CHECKING:
    from filterkit.catalog.addresses import Match
    from filterkit.catalog.visualization_files import Kept
    from filterkit.records import Preprocessing, RunOptions
    from filterkit.runtime.feature_maps import Size
    from filterkit.session import Session


@dataclass(frozen=True, slots=True)
class VisualizeOptions:
    """What `Workbench.visualize` takes besides the address and `RunOptions`."""

    steps: int = 256
    seed: int = 0
    objective: Objective = "channel"
    diversity: int = 1
    rules: Sequence[str] = ()


@dataclass(frozen=True, eq=False)
class Wanted:
    """A picture that is requested: its filter, and a number among those of the filter.

    Attributes
    ----------
    path
        Its file.
    path_of_default
        That of a request without a size, which gives the same picture if the size is the default one.
    """

    match: Match
    filter: int
    variant: int
    path: Path
    path_of_default: Path

    @property
    def address(self) -> str:
        return f"{self.match.address}/{self.filter}"

    def read(self, channels: int, side: tuple[int, int] | None) -> Kept | None:
        """The picture if it is kept, and of a size."""
        from filterkit.catalog.visualization_files import read

        return read(self.path_of_default, channels, side) or read(self.path, channels, side)


Done = dict[Wanted, tuple["Kept", int]]
"""Pictures, and the steps that were made for them."""


def kept_pictures(
    wanted: Sequence[Wanted], asked: VisualizeOptions, preprocessing: Preprocessing, size: Size
) -> Done:
    """Those that are in the store; several pictures of a filter are made together, so all or none of them."""
    side = (1, size[1]) if isinstance(size, tuple) and is_signal(preprocessing) else size
    assert side != "original"
    found = {each: each.read(len(preprocessing.channels), side) for each in wanted}
    parts = {(each.match.address, each.filter) for each, kept in found.items() if kept is None}
    return {
        each: (kept, asked.steps)
        for each, kept in found.items()
        if kept is not None and (asked.diversity == 1 or (each.match.address, each.filter) not in parts)
    }


def wanted_pictures(
    session: Session,
    matches: Sequence[Match],
    preprocessing: Preprocessing,
    provider: str,
    size: Size,
    asked: VisualizeOptions,
    options: RunOptions,
) -> Iterator[Wanted]:
    """The pictures of each filter, in order."""
    from filterkit.catalog.visualization_files import path_of
    from filterkit.plugins.host import DISTRIBUTION

    store, sha256 = session.catalog().store, matches[0].model["sha256"]
    rules = session.registry.gradient_rules(asked.rules).values()
    request = {
        **asdict(asked),
        "plugins": sorted(
            {f"{rule} {rule.plugin.version}" for rule in rules if rule.plugin.distribution != DISTRIBUTION}
        ),
        "rules": list(asked.rules),
        "at": options.at,
        "size": (size[1], size[1]) if isinstance(size, tuple) and is_signal(preprocessing) else size,
        "provider": provider,
        "preprocessing": asdict(preprocessing),
    }
    for match in matches:
        names = ("name", "scope", "pre_tensor", "post_tensor")  # a model can be added with other layer names
        layer = {name: match.layer[name] for name in names}
        for number in match.filters:
            for variant in range(asked.diversity):
                of = {**layer, "filter": number, "variant": variant}
                paths = (path_of(store, sha256, {**request, **sized, **of}) for sized in ({}, {"size": None}))
                yield Wanted(match, number, variant, *paths)
