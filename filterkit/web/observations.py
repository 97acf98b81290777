"""The page of an observation: pictures, what fires for one of them, detectors of a class, dead filters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from filterkit.errors import NotFoundError
from filterkit.web import page_pictures
from filterkit.web.filter_visualization import filter_page
from filterkit.web.links import is_number, query
from filterkit.web.pages import (
    Page,
    attempt,
    command_lines,
    page_number,
    paging,
    part,
    python_lines,
    word,
)

if TYPE_CHECKING:
    from starlette.requests import Request

    from filterkit.plugins.protocols import Row
    from filterkit.results.rows import Rows
    from filterkit.workbench import Workbench

PICTURES = 48
"""How many pictures are on a page."""

MOST_LISTED = 20
"""How many filters are in each list."""

MOST_LABELS = 200
"""Of more classes, only the first ones can be chosen."""

RESPONSES = (
    *("address", "response_mean", "response_std", "response_max", "response_p99", "active_share"),
    *("fires_share", "top_class", "top_class_share"),
)
"""The columns of observed filters."""

SILENT = "response_max is not null and fires_share = 0"


def observation(bench: Workbench, request: Request) -> Page:
    """An observation of a model, or with ``image=`` one picture of it."""
    model, name = request.path_params["model"], request.path_params["observation"]
    about = next((row for row in bench.observations(model) if row["observation"] == name), None)
    if about is None and is_number(name):  # of a layer that is named like this page
        request.path_params.update(layer="observations", filter=int(name))
        return filter_page(bench, request)
    if about is None or about["model"] != model:
        raise NotFoundError(
            f"{model} has no observation '{name}'", hint=f"filterkit observe {model} IMAGES..."
        )
    pictures = bench.observed_pictures(model, observation=name)
    sha256 = request.query_params.get("image")
    if sha256 is not None:
        return _picture(bench, about, pictures, sha256)
    if request.query_params.get("format"):
        observed = "response_max is not null"
        names, found = bench.iter_filters(model, columns=RESPONSES, where=observed, observation=name)
        return Page("observation.html", found, names)
    labels = sorted({row["label"] for row in pictures if row["label"] is not None})
    label = request.query_params.get("label") or None
    of_class = "" if label is None else f" and top_class = {_quoted(label)}"
    page = page_number(request, len(pictures), PICTURES)

    def rows(where: str, sort: str) -> Any:
        return attempt(
            lambda: bench.filters(
                model, columns=RESPONSES, where=where, sort=sort, limit=MOST_LISTED, observation=name
            )
        )

    detectors = f"top_class_share is not null{of_class}"
    values = {
        "title": f"{name} of {model}",
        "about": about,
        "shown": part(pictures, page, PICTURES),
        "picture_url": _urls(bench, about),
        "takes_pictures": any(row["height"] for row in pictures),
        "labels": labels[:MOST_LABELS],
        "label": label,
        "stats": attempt(lambda: bench.stats(model, observation=name)),
        "strongest": rows("response_max is not null", "-response_max"),
        "silent": rows(SILENT, "address"),
        "silent_count": attempt(lambda: bench.count_filters(model, where=SILENT, observation=name)),
        "detectors": rows(detectors, "-top_class_share"),
        "most": MOST_LISTED,
        "commands": command_lines(
            bench,
            [
                f"filterkit filters {word(model)} --observation {word(name)} "
                f"--where {word(detectors)} --sort=-top_class_share",
                f"filterkit filters {word(model)} --observation {word(name)} --where {word(SILENT)}",
            ],
        ),
        "python": python_lines(
            bench,
            [
                f"bench.observed_pictures({model!r}, observation={name!r})",
                f"bench.filters({model!r}, observation={name!r}, where={detectors!r}, "
                "sort='-top_class_share')",
                f"bench.filters({model!r}, observation={name!r}, where={SILENT!r})",
            ],
        ),
    }
    return Page("observation.html", (), (), values | paging(page, len(pictures), PICTURES))


def _picture(bench: Workbench, about: Row, pictures: Rows, sha256: str) -> Page:
    """One picture, and the filters that fire for it."""
    model, name = about["model"], about["observation"]
    hashes = pictures["sha256"]
    if sha256 not in hashes:
        raise NotFoundError(f"observation '{name}' has no picture with this hash")
    number = hashes.index(sha256)
    found = bench.responding_filters(model, sha256, observation=name, top=MOST_LISTED)
    values = {
        "title": f"{_file(pictures[number])} in {name} of {model}",
        "about": about,
        "image": pictures[number],
        "file": _file(pictures[number]),
        "number": number,
        "before": hashes[number - 1] if number else None,
        "after": hashes[number + 1] if number + 1 < len(hashes) else None,
        "picture_url": _urls(bench, about),
        "found": found,
        "commands": "",  # only Python knows it
        "python": python_lines(
            bench, [f"bench.responding_filters({model!r}, {sha256!r}, observation={name!r})"]
        ),
    }
    return Page("observed_picture.html", found, found.columns, values)


def picture(bench: Workbench, request: Request) -> Response:
    """A picture of an observation, from a file that may be moved or changed at any time."""
    given = request.query_params
    png = bench.observed_picture(
        page_pictures.checked(bench, request),
        given.get("image", ""),
        observation=given.get("observation", ""),
    )
    return Response(png, media_type="image/png", headers=page_pictures.FRESH)


def _urls(bench: Workbench, about: Row) -> Any:
    """A function that gives the URL of a picture by its hash."""
    base = page_pictures.urls(bench)("observed", about["model"])

    def url(sha256: str) -> str:
        return f"{base}{query({'observation': about['observation'], 'image': sha256})}"

    return url


def _file(row: Row) -> str:
    """The name of the file of a picture, without its folders."""
    return str(row["image"] or "picture").replace("\\", "/").split("/")[-1]


def _quoted(text: str) -> str:
    """A text in a condition."""
    return "'{}'".format(text.replace("'", "''"))
