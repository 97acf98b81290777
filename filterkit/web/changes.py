"""Pages that change the catalog, where ``--allow-changes`` permits it: add a model, remove one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import RedirectResponse, Response

from filterkit.errors import NotFoundError, UsageError, closest
from filterkit.web import links
from filterkit.web.forms import ForbiddenError, read_form
from filterkit.web.pages import Page

if TYPE_CHECKING:
    from starlette.requests import Request

    from filterkit.plugins.protocols import Row
    from filterkit.workbench import Workbench

BUILT_IN = "classic"
"""The model that is added without a download."""

ADDABLE = ("name", "bytes", "cached", "license", "in_catalog")


def check_allowed(request: Request) -> None:
    """Raise ForbiddenError where nothing may be changed."""
    if not request.app.state.allow_changes:
        raise ForbiddenError(
            "the catalog cannot be changed here", hint="`filterkit serve --allow-changes` permits it"
        )


def add_page(bench: Workbench, request: Request) -> Page:
    """The models that can be added by name, and how far one is that is being added."""
    check_allowed(request)
    rows = _addable(bench)
    job = request.app.state.networks.find(("add", request.query_params.get("name", "")))
    values = {"title": "Add a model", "models": rows, "job": job, "location": bench.location}
    return Page("add.html", rows, ADDABLE, values, job.error if job else None, jobs=(job,) if job else ())


async def add(request: Request) -> Response:
    """Begin to add a model; only names of the list lead to files, and to the network."""
    check_allowed(request)
    name = (await read_form(request))["name"]
    state = request.app.state
    known = await state.workers["quick"].run(request, lambda bench: [row["name"] for row in _addable(bench)])
    if name not in known:
        raise UsageError(f"'{name}' is not a model that can be added here", hint=closest(name, known))
    state.networks.begin(("add", name), "add", {"name": name}, "/add", again=True)
    return RedirectResponse(f"/add{links.query({'name': name})}", 303)


def remove_page(bench: Workbench, request: Request) -> Page:
    """What goes if a model or an observation is removed."""
    check_allowed(request)
    model, observation = (request.query_params.get(name, "") for name in ("model", "observation"))
    about, observations = _removable(bench, model, observation)
    values = {
        "title": f"Remove {observation or model}",
        "about": about,
        "observation": observation,
        "observations": observations,
    }
    return Page("remove.html", observations if observation else [about], tuple(about), values)


async def remove(request: Request) -> Response:
    """Remove what the page before has named."""
    check_allowed(request)
    form = await read_form(request)
    model, observation = form["model"], form["observation"]

    def change(bench: Workbench) -> None:
        _removable(bench, model, observation)
        bench.remove(model, observation=observation or None)

    await request.app.state.workers["heavy"].run(request, change)
    return RedirectResponse(f"/m/{links.path(model)}" if observation else "/", 303)


def _addable(bench: Workbench) -> list[Row]:
    there = {row["ref"] for row in bench.models()}
    own = {"name": BUILT_IN, "bytes": None, "cached": True, "license": "Apache-2.0"}
    return [{**row, "in_catalog": row["name"] in there} for row in (own, *bench.zoo())]


def _removable(bench: Workbench, model: str, observation: str) -> tuple[Row, list[Row]]:
    """The row of a model, and those of the observations that go."""
    observations: list[Row] = [*bench.observations(model)]
    about: dict[str, Any] | None = next((dict(row) for row in bench.models(model)), None)
    if about is None or about["model"] != model:
        raise NotFoundError(f"there is no model '{model}' in the catalog")
    found = [row for row in observations if observation in ("", row["observation"])]
    if observation and not found:
        raise NotFoundError(f"there is no observation '{observation}' of {model}")
    return about, found
