"""The pages that search the catalog: filters, similar kernels and filters, and SQL.

What they show is bounded, and each row with an address has its picture.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from filterkit.errors import FilterkitError, UsageError
from filterkit.web.conditions import chosen, facet_groups
from filterkit.web.links import checked_address, is_number
from filterkit.web.pages import (
    FORM_ONLY,
    Page,
    command_lines,
    filters_call,
    meanings,
    page_number,
    paging,
    python_lines,
    word,
)
from filterkit.web.starting_points import KERNELS, parts_of_models

if TYPE_CHECKING:
    from starlette.requests import Request

    from filterkit.workbench import Workbench

FILTERS = 50
"""How many filters are on a page."""
MOST_FACETED = 100_000
"""Facets of more filters would take seconds, as each of them is counted."""
MOST_SIMILAR = 100
SQL_SECONDS, SQL_ROWS, SQL_RESULT = 5.0, 1000, "16MB"
"""The limits of `Workbench.query` here."""

INVARIANCES = ("scale", "sign", "flip", "rotate")
BRIEF = ("address", "l2_norm", "classic_type", "classic_score", "redundancy", "frequency", "dead", "label")
"""Columns of filters, besides those that a person sorts by."""

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
    if FORM_ONLY in request.scope:
        return Page("filters.html", (), (), values)
    if given.get("format"):
        names, rows = bench.iter_filters(address, where=where, sort=order)
        return Page("filters.html", rows, names)
    count = bench.count_filters(address, where=where)
    every = count if where is None else bench.count_filters(address)
    number = page_number(request, count, FILTERS)
    start = number * FILTERS
    found = bench.filters(address, columns=shown, where=where, sort=order, limit=FILTERS, offset=start)
    options = [*([f"--where {word(where)}"] if where else ()), *([f"--sort {word(order)}"] if order else ())]
    values |= {
        "filters": found,
        "conditions": chosen(where),
        "facets": facet_groups(where, bench.facets(address, where=where)) if every <= MOST_FACETED else (),
        "most_faceted": MOST_FACETED if every > MOST_FACETED else None,
        "shown": shown,
        "count": count,
        "meanings": meanings(bench, "filter"),
        "commands": command_lines(bench, [" ".join(["filterkit filters", word(address), *options])]),
        "python": python_lines(bench, [filters_call(address, where, order)]),
    }
    return Page("filters.html", (), (), values | paging(number, count, FILTERS))


@searching(
    "similar.html",
    title="Similar",
    invariances=INVARIANCES,
    most=MOST_SIMILAR,
    kernels=KERNELS,
    parts_of=(),
    found=None,
)
def similar(bench: Workbench, request: Request, values: dict[str, Any]) -> Page:
    """The kernels or filters most similar to one, or to numbers."""
    given = request.query_params
    text = given.get("query", "").strip()
    invariant = [name for name in given.getlist("invariant") if name] if "query" in given else ["scale"]
    limit = max(1, min(int(number), MOST_SIMILAR)) if is_number(number := given.get("limit", "")) else 20
    models = [row["model"] for row in bench.models() if row["filters"]]
    values |= {"invariant": invariant, "limit": limit, "parts_of": parts_of_models(bench, models)}
    if not text or FORM_ONLY in request.scope:
        return Page("similar.html", (), ("address", "similarity", "transform"), values)
    among = checked_address(bench, given.get("among") or "*")
    found = bench.similar(_query(bench, text), among, invariant=",".join(invariant), limit=limit)
    options = f"--among {word(among)} --invariant {word(','.join(invariant))} --limit {limit}"
    call = f"bench.similar({text!r}, {among!r}, invariant={','.join(invariant)!r}, limit={limit})"
    values |= {
        "found": found,
        "rows": [{**row, "filter_address": row["address"].rpartition("/")[0]} for row in found],
        "kernels_found": found.query.level == "kernel",
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
    if not text or FORM_ONLY in request.scope:
        return Page("sql.html", (), (), values)
    found = bench.query(text, timeout=SQL_SECONDS, limit=SQL_ROWS, max_result=SQL_RESULT)
    values |= {
        "found": found,
        "commands": command_lines(bench, [f"filterkit query {word(text)}"]),
        "python": python_lines(bench, [f"bench.query({text!r})"]),
    }
    return Page("sql.html", found, found.columns, values)
