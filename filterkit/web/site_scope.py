"""What is exported: the pages of what addresses select, and what belongs to these pages."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from filterkit.errors import UsageError
from filterkit.web import links
from filterkit.web.site_names import DATA, is_resource, parts

if TYPE_CHECKING:
    from filterkit.workbench import Workbench

MOST_KERNELS = 1_000_000
"""Limit on the kernels with pages, before anything is rendered."""


@dataclass(frozen=True)
class Layer:
    """What is exported of a layer: numbers of filters, and of the kernels of each of them."""

    filters: Collection[int]
    kernels: Collection[int]


@dataclass(frozen=True)
class Scope:
    """What is exported.

    Attributes
    ----------
    models
        The layers that are exported, by model and name.
    all_layers
        The names of all layers, by model: what has another name below a model is a part of the model.
    depth
        How many levels of the tiles of an atlas.
    """

    models: Mapping[str, Mapping[str, Layer]]
    all_layers: Mapping[str, Collection[str]]
    depth: int = 0

    def count(self, kind: str) -> int:
        """How many pages of ``models``, ``layers``, ``filters`` or ``kernels``."""
        layers = [layer for chosen in self.models.values() for layer in chosen.values()]
        return {
            "models": len(self.models),
            "layers": len(layers),
            "filters": sum(len(layer.filters) for layer in layers),
            "kernels": sum(len(layer.filters) * len(layer.kernels) for layer in layers),
        }[kind]

    def pages(self, kind: str) -> Iterator[str]:
        """The URLs of the pages of a kind, in the order of the catalog."""
        for model, layers in self.models.items():
            if kind == "models":
                yield f"/m/{links.path(model)}"
            for name, layer in layers.items():
                if kind == "layers":
                    yield f"/m/{links.path(model, name)}"
                elif kind == "filters":
                    yield from (f"/m/{links.path(model, name, number)}" for number in layer.filters)
                elif kind == "kernels":
                    for number in layer.filters:
                        yield from (f"/m/{links.path(model, name, number, each)}" for each in layer.kernels)

    def includes(self, source: str, target: str) -> bool:
        """Whether a page is exported that another one leads to; both URLs are canonical.

        Lists have all their pages. What is sorted, or meets a condition, is exported as far as it is one link
        away from the list.
        """
        path, _, query = target.partition("?")
        if not self._has(path):
            return False
        changed = [each for each in parse_qsl(query, keep_blank_values=True) if each[0] != "page"]
        formats = [value for name, value in changed if name == "format"]
        if formats and formats[-1] not in DATA:
            return False
        wanted = [each for each in changed if each[0] != "format"]
        if path.startswith("/atlas/") and [name for name, _ in wanted] == ["address"] and not formats:
            return True
        own = [each for each in parse_qsl(source.partition("?")[2]) if each[0] != "page"]
        if not wanted:
            return True
        return (bool(formats) and wanted == own) or (not formats and not own and len(wanted) < 4)

    def is_part(self, model: str, url: str) -> bool:
        """Whether a page belongs to that of a model, and to none of its layers; both are URLs."""
        place = parts(url)
        return url.startswith(f"{model}/") and len(place) > 2 and place[2] not in self.all_layers[place[1]]

    def _has(self, path: str) -> bool:
        """Whether the page of a path is exported; queries apart."""
        place = parts(path)
        if path == "/":
            return True
        if place[0] == "atlas":
            return self.depth > 0 and len(place) == 2 and place[1] in self.models
        if place[0] == "pictures":
            return is_resource(path)
        if place[0] != "m" or len(place) < 2 or place[1] not in self.models:
            return False
        model, rest = place[1], place[2:]
        if not rest:
            return True
        layer = self.models[model].get(rest[0])
        if layer is None or not all(map(links.is_number, rest[1:])):
            return layer is not None or rest[0] not in self.all_layers[model]  # a part of a page
        numbers = [int(number) for number in rest[1:]]
        if len(numbers) > 2:
            return False
        return all(
            number in chosen for number, chosen in zip(numbers, (layer.filters, layer.kernels), strict=False)
        )


def selected(bench: Workbench, addresses: Collection[str], *, kernels: bool, depth: int) -> Scope:
    """What addresses select; kernels if an address names them, or all with `kernels`.

    Raises
    ------
    FilterkitError
        An address is wrong, or there is nothing at it.
    UsageError
        There are too many kernels.
    """
    filters: dict[tuple[str, str], dict[int, None]] = {}
    chosen: dict[tuple[str, str], dict[int, None]] = {}
    counts: dict[tuple[str, str], int] = {}
    for address in addresses:
        given = address.strip().split("/")
        part = given[3] if len(given) > 3 else "*" if kernels else None
        for row in bench.layers("/".join(given[:2])):
            counts[row["model"], row["layer"]] = row["kernels"] // max(1, row["filters"])
        _, rows = bench.iter_filters(address, columns=("model", "layer", "filter"))
        done = set()
        for row in rows:
            key, number = (row["model"], row["layer"]), row["filter"]
            filters.setdefault(key, {})[number] = None
            if part is not None and key not in done:  # the same kernels of all filters of a layer
                done.add(key)
                chosen.setdefault(key, {}).update(
                    dict.fromkeys(_kernels(bench, key, number, part, counts[key]))
                )
    models: dict[str, dict[str, Layer]] = {}
    for (model, name), numbers in filters.items():
        layer = Layer(numbers, chosen.get((model, name), {}))
        models.setdefault(model, {})[name] = layer
    every = {model: frozenset(bench.layers(model)["layer"]) for model in models}
    scope = Scope(models, every, depth)
    if scope.count("kernels") > MOST_KERNELS:
        raise UsageError(
            f"these are the pages of {scope.count('kernels'):,} kernels, more than {MOST_KERNELS:,}",
            hint="fewer layers or filters, or without --kernels: a filter shows all its kernels",
        )
    return scope


def _kernels(bench: Workbench, key: tuple[str, str], number: int, part: str, count: int) -> Iterator[int]:
    """The kernels that the last part of an address selects of a filter."""
    if part == "*":
        yield from range(count)
        return
    for address in bench.sheet("/".join((*key, str(number), part))).addresses:
        yield int(str(address).rpartition("/")[2])
