"""The pages that search the catalog: filters, similar kernels and filters, SQL, and two models compared.

What they show is bounded, and each row with an address has its picture.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from filterkit.errors import FilterkitError, NotFoundError, UsageError
from filterkit.web.filter_visualization import filter_page
from filterkit.web.links import checked_address, is_number
from filterkit.web.pages import (
    Page,
    attempt,
    command_lines,
    meanings,
    page_number,
    paging,
    part,
    python_lines,
    word,
)

if TYPE_CHECKING:
    from starlette.requests import Request

    from filterkit.workbench import Workbench

FILTERS = 50
"""How many filters are on a page."""
MOST_OBSERVED = 20
"""How many filters are in each list of an observation."""
MOST_SIMILAR = 100
MOST_DIFFERENCES = 200
SQL_SECONDS, SQL_ROWS, SQL_RESULT = 5.0, 1000, "16MB"
"""The limits of `Workbench.query` here."""

INVARIANCES = ("scale", "sign", "flip", "rotate")
BRIEF = ("address", "l2_norm", "classic_type", "classic_score", "redundancy", "frequency", "dead", "label")
"""Columns of filters, besides those that a person sorts by."""

RESPONSES = (
    *("address", "response_mean", "response_std", "response_max", "response_p99", "active_share"),
    *("fires_share", "top_class", "top_class_share"),
)
"""The columns of observed filters."""

SQL_EXAMPLES = (
    "SELECT name, filters, kernels FROM layer",
    "SELECT m.name || '/' || l.name || '/' || f.position AS address, f.frequency\n"
    "FROM filter f JOIN layer l ON l.id = f.layer_id JOIN model m ON m.id = l.model_id\n"
    "ORDER BY f.frequency DESC LIMIT 20",
    "SELECT l.name, f.classic_type, count(*) AS filters\n"
    "FROM filter f JOIN layer l ON l.id = f.layer_id\nGROUP BY l.id, f.classic_type",
)


View = Callable[["Workbench", "Request", dict[str, Any]], Page]


def searching(template: str, **form: Any) -> Callable[[View], Callable[[Workbench, Request], Page]]:
    """The view of a page with a form: what is wrong with what a person typed is shown below the form.

    Parameters
    ----------
    template
        The page.
    form
        The values of variables that it needs in any case; the view adds others.
    """

    def decorate(view: View) -> Callable[[Workbench, Request], Page]:
        def page(bench: Workbench, request: Request) -> Page:
            values = dict(form)
            try:
                return view(bench, request, values)
            except FilterkitError as error:
                return Page(template, (), (), values, error)

        return page

    return decorate


@searching("filters.html", title="Filters", filters=(), columns=(), sort=None)
def filters(bench: Workbench, request: Request, values: dict[str, Any]) -> Page:
    """Filters anywhere in the catalog, by a condition."""
    given = request.query_params
    address = checked_address(bench, given.get("address") or "*")
    where, sort = given.get("where", "").strip() or None, given.get("sort") or None
    order = f"-{sort}" if sort and given.get("order") == "down" else sort
    columns, _ = bench.iter_filters(address, limit=0)
    values |= {"columns": columns[1:], "sort": sort}
    shown = tuple(dict.fromkeys(("address", *([sort] if sort else ()), *(n for n in BRIEF if n in columns))))
    if given.get("format"):
        names, rows = bench.iter_filters(address, where=where, sort=order)
        return Page("filters.html", rows, names)
    count = bench.count_filters(address, where=where)
    number = page_number(request, count, FILTERS)
    found = bench.filters(address, columns=shown, where=where, sort=order, limit=(number + 1) * FILTERS)
    options = [*([f"--where {word(where)}"] if where else ()), *([f"--sort {word(order)}"] if order else ())]
    values |= {
        "filters": part(found, number, FILTERS),
        "shown": shown,
        "count": count,
        "meanings": meanings(bench, "filter"),
        "commands": command_lines(bench, [" ".join(["filterkit filters", word(address), *options])]),
        "python": python_lines(bench, [f"bench.filters({address!r}, where={where!r}, sort={order!r})"]),
    }
    return Page("filters.html", (), (), values | paging(number, count, FILTERS))


@searching("similar.html", title="Similar", invariances=INVARIANCES, most=MOST_SIMILAR, found=None)
def similar(bench: Workbench, request: Request, values: dict[str, Any]) -> Page:
    """The kernels or filters most similar to one, or to numbers."""
    given = request.query_params
    text = given.get("query", "").strip()
    invariant = [name for name in given.getlist("invariant") if name] if "query" in given else ["scale"]
    limit = max(1, min(int(number), MOST_SIMILAR)) if is_number(number := given.get("limit", "")) else 20
    values |= {"invariant": invariant, "limit": limit}
    if not text:
        return Page("similar.html", (), ("address", "similarity", "transform"), values)
    among = checked_address(bench, given.get("among") or "*")
    found = bench.similar(_query(bench, text), among, invariant=",".join(invariant), limit=limit)
    options = f"--among {word(among)} --invariant {word(','.join(invariant))} --limit {limit}"
    call = f"bench.similar({text!r}, {among!r}, invariant={','.join(invariant)!r}, limit={limit})"
    values |= {
        "found": found,
        "address": text if not text.startswith("[") else None,
        "commands": command_lines(bench, [f"filterkit similar {word(text)} {options}"]),
        "python": python_lines(bench, [call]),
    }
    return Page("similar.html", found, found.columns, values)


def _query(bench: Workbench, text: str) -> Any:
    """What to search for: the text of an address, or an array of numbers; never a file."""
    if not text.startswith("["):
        return checked_address(bench, text)
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        hint = "an address, or rows of numbers as in [[-1,0,1],[-2,0,2],[-1,0,1]]"
        raise UsageError("cannot parse the numbers in brackets", hint=hint) from None


@searching("sql.html", title="SQL", seconds=SQL_SECONDS, most=SQL_ROWS, examples=SQL_EXAMPLES, found=None)
def sql(bench: Workbench, request: Request, values: dict[str, Any]) -> Page:
    """One SELECT statement, within limits."""
    text = request.query_params.get("sql", "").strip()
    tables: dict[str, list[Any]] = {}
    for row in bench.columns():
        tables.setdefault(row["table"], []).append(row)
    values |= {"sql": text, "tables": tables}
    if not text:
        return Page("sql.html", (), (), values)
    found = bench.query(text, timeout=SQL_SECONDS, limit=SQL_ROWS, max_result=SQL_RESULT)
    values |= {
        "found": found,
        "commands": command_lines(bench, [f"filterkit query {word(text)}"]),
        "python": python_lines(bench, [f"bench.query({text!r})"]),
    }
    return Page("sql.html", found, found.columns, values)


@searching("diff.html", title="Compare", most=MOST_DIFFERENCES, found=None)
def diff(bench: Workbench, request: Request, values: dict[str, Any]) -> Page:
    """Two models, or layers of them, side by side: what differs most first."""
    given = request.query_params
    a, b = given.get("a", "").strip(), given.get("b", "").strip()
    level: Any = "filter" if given.get("level") == "filter" else "layer"
    match: Any = given.get("match", "name")
    values |= {"level": level, "match": match, "models": bench.models()["model"]}
    if not (a and b):
        return Page("diff.html", (), ("address_a", "address_b", "cosine"), values)
    if match not in ("name", "position", "assignment"):
        raise UsageError(f"filters are not matched by '{match}'", hint="by name, position or assignment")
    a, b = checked_address(bench, a), checked_address(bench, b)
    found = bench.diff(
        a,
        b,
        match=match,
        level=level,
        sort="cosine",
        limit=MOST_DIFFERENCES,
    )
    options = f"--match {match} --level {level} --sort cosine"
    call = f"bench.diff({a!r}, {b!r}, match={match!r}, level={level!r}, sort='cosine')"
    values |= {
        "found": found,
        "shown": [name for name in found.columns if name != "model_b"],
        "commands": command_lines(bench, [f"filterkit diff {word(a)} {word(b)} {options}"]),
        "python": python_lines(bench, [call]),
    }
    return Page("diff.html", found, found.columns, values)


def observation(bench: Workbench, request: Request) -> Page:
    """One observation of a model: what its filters respond to."""
    model, name = request.path_params["model"], request.path_params["observation"]
    about = next((row for row in bench.observations(model) if row["observation"] == name), None)
    if about is None and is_number(name):  # of a layer that is named like this page
        request.path_params.update(layer="observations", filter=int(name))
        return filter_page(bench, request)
    if about is None or about["model"] != model:
        raise NotFoundError(
            f"{model} has no observation '{name}'", hint=f"filterkit observe {model} IMAGES..."
        )
    if request.query_params.get("format"):
        observed = "response_max is not null"
        names, found = bench.iter_filters(model, columns=RESPONSES, where=observed, observation=name)
        return Page("observation.html", found, names)

    def rows(where: str | None, sort: str) -> Any:
        return attempt(
            lambda: bench.filters(
                model, columns=RESPONSES, where=where, sort=sort, limit=MOST_OBSERVED, observation=name
            )
        )

    stats = attempt(lambda: bench.stats(model, observation=name))
    values = {
        "title": f"{name} of {model}",
        "about": about,
        "stats": stats,
        "strongest": rows("response_max is not null", "-response_max"),
        "silent": rows("response_max is not null and fires_share = 0", "address"),
        "detectors": rows("top_class_share is not null", "-top_class_share"),
        "commands": command_lines(
            bench, [f"filterkit filters {word(model)} --observation {word(name)} --sort=-top_class_share"]
        ),
        "python": python_lines(
            bench, [f"bench.filters({model!r}, observation={name!r}, sort='-top_class_share')"]
        ),
    }
    return Page("observation.html", (), (), values)
