"""The page of feature maps: a picture, the maps of a layer, and what contributes to a response."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from starlette.responses import RedirectResponse, Response

from filterkit.errors import FilterkitError, NotFoundError, UsageError
from filterkit.web import links
from filterkit.web.forms import LARGEST_FILE, read_form
from filterkit.web.page_pictures import version
from filterkit.web.pages import Page, command_lines, page_number, paging, python_lines, word
from filterkit.web.uploads import SECONDS, Uploads, samples

if TYPE_CHECKING:
    from starlette.requests import Request

    from filterkit.plugins.protocols import Row
    from filterkit.web.networks import Job
    from filterkit.workbench import Workbench

MAPS = 128
"""How many maps are on a page."""

LISTED = 300
"""How many layers are suggested."""

PLACES = 0, 10**6
"""The range of positions."""

STAGES = {"post": "after the activation", "pre": "before it"}

COLUMNS = ("address", "label", "mean", "max", "y", "x")


def maps(bench: Workbench, request: Request) -> Page:
    """The form; with a picture and a layer its maps, with a target its attribution."""
    chosen = request.query_params
    key, form = chosen.get("picture", ""), _form(bench, chosen)
    if not key:
        request.app.state.networks.warm()
        return Page("maps.html", (), COLUMNS, form)
    try:
        upload = request.app.state.uploads.find(key)
        arguments = {"picture": upload.content}
        preview = _job(request, ("picture", key), "picture", arguments)
        form |= {"key": key, "name": upload.name, "preview": preview}
        if chosen.get("target", "").strip():
            page = _response(bench, request, key, form, arguments)
        elif chosen.get("address", "").strip():
            page = _maps(bench, request, key, form, arguments)
        else:
            page = Page("maps.html", (), COLUMNS, form)
    except FilterkitError as error:
        return Page("maps.html", (), COLUMNS, form, error)
    jobs = (preview, *page.jobs)
    failed = next((job.error for job in jobs if job.error), None)
    return replace(page, error=failed, jobs=jobs, is_result=True)


async def upload(request: Request) -> Response:
    """Keep an uploaded picture, and go to its page; what is no picture is an error."""
    form = await read_form(request, with_file=True)
    if form.file is None or not form.file[1]:
        raise UsageError("no picture was chosen", hint="choose a file first, or take a sample")
    state = request.app.state
    name, content = form.file
    key = state.uploads.add(name, content)
    try:
        job = state.networks.begin(("picture", key), "picture", {"picture": content}, "/maps")
        await state.networks.wait(request, job)
        if job.error:
            raise job.error
    except BaseException:
        state.uploads.remove(key)
        raise
    _expire_later(state.uploads)
    return RedirectResponse(f"/maps{links.query({'picture': key} | _wanted(form['address']))}", 303)


def _expire_later(uploads: Uploads) -> None:
    """Drop pictures also if nobody asks for one any longer."""

    def expire() -> None:
        if uploads.expire():
            _expire_later(uploads)

    asyncio.get_running_loop().call_later(SECONDS, expire)


def _wanted(address: str) -> dict[str, str]:
    """What a page with a picture shows at an address: the map of a filter, or all maps of a layer."""
    parts = address.strip().split("/")
    is_filter = len(parts) == 3 and links.is_number(parts[2])
    return {"target" if is_filter else "address": address}


def _form(bench: Workbench, chosen: Mapping[str, str]) -> dict[str, Any]:
    """What the form of the page needs."""
    models = [row["model"] for row in bench.models() if row["layers"]][:LISTED]
    model = chosen.get("address", "").split("/")[0]
    layers: list[str] = []
    for name in dict.fromkeys([model] * (model in models) + models):
        layers += [row["address"] for row in bench.layers(name)] if len(layers) < LISTED else []
    return {
        "title": "Maps",
        "key": "",
        "name": "",
        "samples": samples(),
        "layers": layers[:LISTED],
        "wanted": _wanted(chosen.get("address") or next(iter(layers), "")),
        "models": models,
        "methods": bench.registry.names("attribution"),
        "stages": STAGES,
        "largest": LARGEST_FILE // 10**6,
        "preview": None,
        "job": None,
        "target": None,
    }


def _job(request: Request, key: Hashable, name: str, arguments: dict[str, Any]) -> Job:
    picture = request.query_params.get("picture", "")
    page = f"/maps{links.query({'picture': picture})}"
    found: Job = request.app.state.networks.begin(key, name, arguments, page)
    return found


def _maps(
    bench: Workbench, request: Request, key: str, form: dict[str, Any], arguments: dict[str, Any]
) -> Page:
    """The maps of a layer, or of some of its filters."""
    chosen = request.query_params
    row, at = _layer(bench, chosen["address"]), _stage(chosen)
    address = row["address"]
    number = page_number(request, row["filters"], MAPS)
    first, end = number * MAPS, min((number + 1) * MAPS, row["filters"])
    part = address if (first, end) == (0, row["filters"]) else f"{address}/{first}:{end}"
    job = _job(
        request,
        ("maps", version(bench, row["model"]), key, part, at),
        "maps",
        arguments | {"address": part, "at": at},
    )
    result = job.result
    rows = result["rows"] if result else []
    stage = "" if at == "post" else " --at pre"
    values = form | {
        "row": row,
        "at": at,
        "job": job,
        "result": result,
        "maps": [each | {"href": links.href(each["address"])} for each in rows],
        "commands": command_lines(bench, [f"filterkit maps {word(address)} PICTURE -o maps.png{stage}"]),
        "python": python_lines(bench, [f"bench.feature_maps({address!r}, 'PICTURE', at={at!r})"]),
    }
    return Page("maps.html", rows, COLUMNS, values | paging(number, row["filters"], MAPS), jobs=(job,))


def _response(
    bench: Workbench, request: Request, key: str, form: dict[str, Any], arguments: dict[str, Any]
) -> Page:
    """The map of a filter, and what contributes to it, or to an output of the network."""
    chosen = request.query_params
    target, at = _target(bench, chosen["target"]), _stage(chosen)
    method = chosen.get("method") or "gradient"
    if method not in form["methods"]:
        raise UsageError(f"there is no method '{method}'", hint="choose one of the list")
    is_output = "@" in target
    at = "post" if is_output else at
    given = {"target": target, "method": method, "at": at}
    model = target.partition("@")[0] if is_output else target.split("/")[0]
    place = "max" if is_output else _position(chosen)
    job = _job(
        request,
        ("response", version(bench, model), key, target, method, place, at),
        "response",
        arguments | given | {"position": place},
    )
    result = job.result
    options = "".join(
        [
            f" --method {word(method)}",
            "" if place == "max" else f" --position {place}",
            " --at pre" * (at == "pre"),
        ]
    )
    rows: list[Row] = result["rows"] if result else []
    values = (
        form
        | given
        | {
            "is_output": is_output,
            "position": place,
            "job": job,
            "result": result,
            "commands": command_lines(
                bench, [f"filterkit attribute {word(target)} PICTURE{options} -o attribution.png"]
            ),
            "python": python_lines(
                bench,
                [f"bench.attribute({target!r}, 'PICTURE', method={method!r}, position={place!r}, at={at!r})"],
            ),
        }
    )
    return Page("maps.html", rows, tuple(rows[0]) if rows else (), values, jobs=(job,))


def _layer(bench: Workbench, text: str) -> Row:
    """The layer that an address names; that of a filter if it names one."""
    address = "/".join(links.checked_address(bench, text).split("/")[:2])
    found = bench.layers(address)
    if len(found) != 1:
        raise UsageError(
            f"'{address}' names {len(found)} layers", hint=f"choose one, e.g. {found[0]['address']}"
        )
    return found[0]


def _target(bench: Workbench, text: str) -> str:
    """A filter, or an output of a network of the catalog, which a person typed."""
    model, is_output, rest = text.strip().partition("@")
    if is_output and "/" not in model:
        bench.observations(model)  # looks up the model, and nothing else
        if "/" in rest or len(rest) > 200:
            raise UsageError(
                f"'{text}' is not an output", hint=f"e.g. {model}@0:1, or {model}@ for the largest"
            )
        return f"{model}@{rest}"
    address = links.checked_address(bench, text)
    parts = address.split("/")
    if len(parts) != 3 or not links.is_number(parts[2]) or "*" in address:
        raise UsageError(
            f"'{text}' is not one filter", hint="e.g. vgg16/block3_conv1/7, or vgg16@ for an output"
        )
    if not bench.count_filters(address):
        raise NotFoundError(f"there is no filter {address}")
    return address


def _stage(chosen: Mapping[str, str]) -> str:
    at = chosen.get("at") or "post"
    if at not in STAGES:
        raise UsageError(f"at cannot be '{at}'", hint=f"use {' or '.join(STAGES)}")
    return at


def _position(chosen: Mapping[str, str]) -> str:
    """``max``, or the position that was typed or clicked: a click is in the pixels of the picture shown."""
    if "place.x" in chosen and "place.y" in chosen:
        clicked = [
            _scaled(chosen, *names) for names in (("place.y", "height", "high"), ("place.x", "width", "wide"))
        ]
        if None not in clicked:
            return f"{clicked[0]},{clicked[1]}"
    y, x = (_number(chosen, name) for name in ("y", "x"))
    return "max" if y is None or x is None else f"{y},{x}"


def _scaled(chosen: Mapping[str, str], place: str, size: str, shown: str) -> int | None:
    """The position in a map of which a pixel was clicked, from the sizes of the map and of its picture."""
    pixel, positions, pixels = (_number(chosen, name) for name in (place, size, shown))
    if pixel is None or not positions or not pixels:
        return None
    return min(pixel * positions // pixels, positions - 1)


def _number(chosen: Mapping[str, str], name: str) -> int | None:
    text = chosen.get(name, "").strip()
    if not text:
        return None
    if not links.is_number(text) or not PLACES[0] <= int(text) <= PLACES[1]:
        raise UsageError(f"'{text}' is not a position", hint="a number from 0")
    return int(text)
