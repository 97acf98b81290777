"""The pages of models, layers, filters and kernels: what each shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from filterkit.errors import FilterkitError, NotFoundError, closest
from filterkit.web import links
from filterkit.web.conditions import chosen as chosen_parts
from filterkit.web.conditions import facet_groups
from filterkit.web.panels.kernel_weights import numbers
from filterkit.web.starting_points import KERNELS, parts_of_models

if TYPE_CHECKING:
    from starlette.requests import Request

    from filterkit.plugins.protocols import PanelKind, Row
    from filterkit.results.rows import Rows
    from filterkit.web.networks import Job
    from filterkit.workbench import Workbench

MODELS, FILTERS = 50, 60
"""How many models and filters are on a page."""

FORM_ONLY = "filterkit.form_only"
"""In the scope of a request for a page without its results, which follow."""

NAMES = ("address", "model", "layer", "filter", "label")
"""Columns of filters that are no metrics."""


@dataclass(frozen=True)
class Page:
    """What a page shows.

    Attributes
    ----------
    template, values
        The template, and the values of its variables.
    rows, columns
        The data of the page, for ``?format=json`` and ``?format=csv``.
    error
        Why what a person typed into its form shows nothing.
    jobs
        Those whose results it shows, once they are there.
    is_result
        Whether they are all that it shows, so that it is worth waiting for them.
    kind, address
        What the panels on it are about.
    """

    template: str
    rows: Iterable[Row]
    columns: Sequence[str]
    values: dict[str, Any] = field(default_factory=dict)
    error: FilterkitError | None = None
    kind: PanelKind | None = None
    address: str = ""
    jobs: Sequence[Job] = ()
    is_result: bool = False


def models(bench: Workbench, request: Request) -> Page:
    """All models."""
    if FORM_ONLY in request.scope:
        form = {"models": (), "observed": {}, "parts_of": (), "location": bench.location}
        return Page("models.html", (), (), form | paging(0, 0, MODELS))
    rows = bench.models()
    number = page_number(request, len(rows), MODELS)
    shown = [{**row, "first": _first_layer(bench, row["model"])} for row in part(rows, number, MODELS)]
    observed: dict[str, list[str]] = {}
    for each in bench.observations():
        observed.setdefault(each["model"], []).append(each["observation"])
    values = {
        "models": shown,
        "observed": observed,
        "location": bench.location,
        "kernels": KERNELS,
        "parts_of": parts_of_models(bench, [row["model"] for row in rows if row["filters"]]),
    }
    return Page("models.html", rows, rows.columns, values | paging(number, len(rows), MODELS))


def model(bench: Workbench, request: Request) -> Page:
    """One model; what there is to see of it are panels."""
    name = request.path_params["model"]
    bench.observations(name)  # an unknown name is an error with the names that there are
    about = next(iter(bench.models(name)), None)
    if about is None or about["model"] != name:  # nothing in the path is a pattern
        raise NotFoundError(f"there is no model '{name}' in the catalog")
    rows: list[Row] = []
    columns: tuple[str, ...] = ()
    if request.query_params.get("format") and about["layers"]:
        layers, stats = bench.layers(name), bench.stats(name)
        columns = tuple(dict.fromkeys((*layers.columns, *stats.columns)))
        rows = [{**one, **other} for one, other in zip(layers, stats, strict=True)]
    values = {
        "title": name,
        "about": about,
        "commands": command_lines(
            bench,
            [
                f"filterkit layers {word(name)}",
                f"filterkit layers {word(name)} --edges",
                f"filterkit stats {word(name)} -o stats.png",
            ],
        ),
        "python": python_lines(
            bench, [f"bench.layers({name!r})", f"bench.edges({name!r})", f"bench.stats({name!r})"]
        ),
    }
    return Page("model.html", rows, columns, values, kind="model", address=name)


def layer(bench: Workbench, request: Request) -> Page:
    """One layer: its filters, sorted and filtered."""
    row = layer_row(bench, request)
    address, chosen = row["address"], request.query_params
    where, sort = chosen.get("where", "").strip() or None, chosen.get("sort") or None
    order = f"-{sort}" if sort and chosen.get("order") == "down" else sort
    if chosen.get("format") and "panel" not in chosen:
        names, data = bench.iter_filters(address, where=where, sort=order)
        return Page("layer.html", data, names)
    columns, _ = bench.iter_filters(address, limit=0)
    form = {
        "title": address,
        "row": row,
        "sort": sort,
        "columns": [name for name in columns if name not in NAMES],
        "meanings": meanings(bench, "filter"),
    }
    wanted = tuple(dict.fromkeys(("address", "filter", "label", "l2_norm", *([sort] if sort else ()))))
    try:
        count = bench.count_filters(address, where=where)
        number = page_number(request, count, FILTERS)
        start = number * FILTERS
        found = bench.filters(address, columns=wanted, where=where, sort=order, limit=FILTERS, offset=start)
    except FilterkitError as error:  # what a person typed
        return Page("layer.html", (), (), form, error, "layer", address)
    options = [
        *([f"--where {word(where)}"] if where else ()),
        *([f"--sort {word(order)}"] if order else ()),
    ]
    values = form | {
        "filters": found,
        "count": count,
        "conditions": chosen_parts(where),
        "facets": facet_groups(where, bench.facets(address, where=where)),
        "not_finite": _not_finite(bench, address, found),
        "commands": command_lines(
            bench,
            [
                " ".join([f"filterkit filters {word(address)}", *options]),
                f"filterkit show {word(address)} -o layer.png",
            ],
        ),
        "python": python_lines(
            bench,
            [filters_call(address, where, order), f"bench.sheet({address!r})"],
        ),
    }
    return Page("layer.html", (), (), values | paging(number, count, FILTERS), kind="layer", address=address)


def _not_finite(bench: Workbench, address: str, rows: Iterable[Row]) -> dict[int, str]:
    """What weights that are no numbers the filters have, which are drawn gray."""
    numbers = [row["filter"] for row in rows if row["l2_norm"] is None]
    found: dict[int, str] = {}
    if numbers:
        import numpy as np

        with suppress(FilterkitError):  # its weights are not in the store, so nothing is drawn
            bank = bench.bank(f"{address}/{','.join(map(str, numbers))}")
            for number, weights in zip(numbers, bank, strict=True):
                kinds = {"NaN": np.isnan(weights), "infinity": np.isinf(weights)}
                if words := " and ".join(name for name, places in kinds.items() if places.any()):
                    found[number] = words
    return found


def filter_(bench: Workbench, request: Request) -> Page:
    """One filter; what there is to see of it are panels."""
    row, number = layer_row(bench, request), int(request.path_params["filter"])
    address = f"{row['address']}/{number}"
    found = bench.filters(address)
    observed = bool(bench.observations(row["model"]))
    values = {
        "title": address,
        "row": row,
        "number": number,
        "about": found[0],
        "kernels": row["kernels"] // row["filters"],
        "commands": command_lines(
            bench,
            [
                f"filterkit show {word(address)} -o filter.png",
                f"filterkit filters {word(address)}",
                *([f"filterkit exemplars {word(address)} -o exemplars.png"] if observed else ()),
                f"filterkit similar {word(address)} --among '*'",
                f"filterkit connections {word(address)}",
                f"filterkit connections {word(address)} --to",
                f"filterkit visualize {word(address)} -o visualization.png",
            ],
        ),
        "python": python_lines(
            bench,
            [
                f"bench.bank({address!r})",
                f"bench.filters({address!r})[0]",
                f"bench.similar({address!r}, '*')",
                *(_observed_lines(address) if observed else ()),
            ],
        ),
    }
    return Page("filter.html", found, found.columns, values, kind="filter", address=address)


def _observed_lines(address: str) -> list[str]:
    """What Python knows of the responses of a filter."""
    return [
        f"bench.exemplars({address!r})",
        f"bench.response_histogram({address!r})",
        f"bench.similar({address!r}, '*', by='response')",
    ]


def kernel(bench: Workbench, request: Request) -> Page:
    """One kernel; what there is to see of it are panels."""
    row = layer_row(bench, request)
    filter_number, number = (int(request.path_params[name]) for name in ("filter", "kernel"))
    address = f"{row['address']}/{filter_number}/{number}"
    about = numbers(address, bench.bank(address)[0, 0])
    values = {
        "title": address,
        "row": row,
        "filter": filter_number,
        "number": number,
        "kernels": row["kernels"] // row["filters"],
        "commands": command_lines(
            bench,
            [
                f"filterkit show {word(address)} -o kernel.png",
                f"filterkit similar {word(address)} --among classic "
                "--invariant scale,sign,flip,rotate --limit 3",
                f"filterkit similar {word(address)} --among '*'",
            ],
        ),
        "python": python_lines(
            bench,
            [
                f"bench.bank({address!r})[0, 0]",
                f"bench.frequency_response({address!r})[0, 0]",
                f"bench.similar({address!r}, 'classic', invariant='scale,sign,flip,rotate', limit=3)",
                f"bench.similar({address!r}, '*')",
            ],
        ),
    }
    return Page("kernel.html", [about], tuple(about), values, kind="kernel", address=address)


@dataclass(frozen=True)
class Failed:
    """A part of a page that could not be made: the page says why."""

    error: FilterkitError


def attempt(part: Callable[[], Any]) -> Any:
    """What `part` returns; what fails is a line on the page, not a page that is missing."""
    try:
        return part()
    except FilterkitError as error:
        return Failed(error)


def page_number(request: Request, count: int, size: int) -> int:
    """The number of the page of a long list, from 0, at most the last one; in URLs it is counted from 1."""
    text = request.query_params.get("page", "1")
    return max(min(int(text), -(-count // size)) - 1, 0) if links.is_number(text) else 0


def part(rows: Sequence[Any] | Rows, number: int, size: int) -> list[Any]:
    """The rows on one page."""
    return [*rows[number * size : (number + 1) * size]]


def paging(number: int, count: int, size: int) -> dict[str, Any]:
    """The variables of ``parts.pages``."""
    return {"page": number + 1, "pages": max(1, -(-count // size))}


def layer_row(bench: Workbench, request: Request) -> Row:
    """The row of the layer in the path of a page, in which nothing is a pattern."""
    model, layer = request.path_params["model"], request.path_params["layer"]
    bench.observations(model)  # an unknown model is an error without a look at the files of that name
    names: list[str] = []
    try:
        for row in bench.layers(f"{model}/{layer}"):
            if (row["model"], row["layer"]) == (model, layer):
                return row
    except NotFoundError:
        names = bench.layers(model)["layer"]
    raise NotFoundError(
        f"there is no layer '{layer}' in {model}", hint=closest(layer, names) if names else None
    )


def _first_layer(bench: Workbench, model: str) -> str | None:
    """The address of a model's first layer."""
    try:
        _, rows = bench.iter_filters(model, columns=("model", "layer"), limit=1)
    except FilterkitError:
        return None
    row = next(rows, None)
    return f"{row['model']}/{row['layer']}" if row else None


def meanings(bench: Workbench, table: str) -> Mapping[str, Row]:
    """What the columns of a table mean, and those of responses by the names that they have beside them."""
    rows = bench.columns()
    responses = {f"response_{row['column']}": row for row in rows if row["table"] == "response"}
    own = {row["column"]: row for row in rows if row["table"] in ("response", table)}
    return {**responses, **own, **{row["column"]: row for row in rows if row["table"] == table}}


def word(text: str) -> str:
    """A word of a command line, quoted if it has to be; lines stay lines, which end comments in SQL."""
    from filterkit.errors import one_line, shell_quoted

    return shell_quoted("\n".join(map(one_line, text.splitlines())))


def command_lines(bench: Workbench, lines: Sequence[str]) -> str:
    """Commands that give what the page shows."""
    place = "" if bench.location == "catalog.db" else f" --catalog {word(bench.location)}"
    return "\n".join(line + place for line in lines)


def filters_call(address: str, where: str | None, order: str | None) -> str:
    """The filters of a page in Python, with what is given."""
    given = {"where": where, "sort": order}
    options = [f"{name}={value!r}" for name, value in given.items() if value]
    return f"bench.filters({', '.join([repr(address), *options])})"


def python_lines(bench: Workbench, lines: Sequence[str]) -> str:
    return "\n".join(["import filterkit", "", f"bench = filterkit.open({bench.location!r})", *lines])
