"""The addresses of jobs: how far they are, their pictures, and how to cancel them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, RedirectResponse, Response

from filterkit.errors import NotFoundError
from filterkit.web.forms import read_form

if TYPE_CHECKING:
    from starlette.requests import Request

    from filterkit.web.networks import Job

FRESH = {"Cache-Control": "no-store"}
KEPT = {"Cache-Control": "private, max-age=86400, immutable"}
"""Of results, whose address is random and used once."""


async def state(request: Request) -> Response:
    """How far a job is."""
    return JSONResponse(about(_job(request)), headers=FRESH)


async def picture(request: Request) -> Response:
    """A picture of a result."""
    found = (_job(request).result or {}).get("pictures", {}).get(request.path_params["name"])
    if found is None:
        raise NotFoundError("there is no such picture")
    return Response(found, media_type="image/png", headers=KEPT)


async def cancel(request: Request) -> Response:
    """Cancel a job, and go to the page that leads on."""
    await read_form(request)
    job = _job(request)
    request.app.state.networks.cancel(job)
    return RedirectResponse(job.page, 303)


def about(job: Job) -> dict[str, Any]:
    """The state of a job: waiting, running, done or failed."""
    named = "failed" if job.error else "done" if job.is_done else "running" if job.is_running else "waiting"
    return {"state": named, "what": job.what, "done": job.done, "total": job.total}


def _job(request: Request) -> Job:
    found: Job = request.app.state.networks.of_id(request.path_params["job"])
    return found
