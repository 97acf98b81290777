"""Tiles over HTTP: drawn in the thread that answers, as reading mapped weights takes less than handing it on.

Only the first tile of a picture waits for a worker, which asks the catalog and makes the overviews.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

from starlette.responses import Response

from filterkit.errors import NotFoundError
from filterkit.web.atlas.picture import Picture, picture
from filterkit.web.atlas.styles import Style

if TYPE_CHECKING:
    from starlette.requests import Request

    from filterkit.web.workers import Worker
    from filterkit.workbench import Workbench

PICTURES, TILES = 64 << 20, 8 << 20
"""Bytes of the overviews of the pictures, and of the tiles, that stay in memory."""

IMMUTABLE = {"Cache-Control": "private, max-age=31536000, immutable"}
"""The version in the URL changes with anything that would change the tile."""

Key = tuple[str, ...]
T = TypeVar("T")


class Recent(Generic[T]):
    """Values that were used last, up to a number of bytes, and at least one."""

    def __init__(self, most: int) -> None:
        self._most, self._total, self._lock = most, 0, Lock()
        self._values: OrderedDict[Key, tuple[T, int]] = OrderedDict()

    def get(self, key: Key) -> T | None:
        with self._lock:
            found = self._values.get(key)
            if found is None:
                return None
            self._values.move_to_end(key)
            return found[0]

    def put(self, key: Key, value: T, size: int) -> None:
        with self._lock:
            if key in self._values:
                return
            self._values[key] = value, size
            self._total += size
            while self._total > self._most and len(self._values) > 1:
                _, (_, size) = self._values.popitem(last=False)
                self._total -= size


class TileServer:
    """The tiles of all atlases, and the plans of where everything is in them."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._pictures: Recent[Picture] = Recent(PICTURES)
        self._tiles: Recent[bytes] = Recent(TILES)

    async def tile(self, request: Request) -> Response:
        """``/tiles/{model}/{version}/{style}/{z}/{x}/{y}.png``."""
        given = request.path_params
        key = given["model"], given["version"], given["style"]
        z, x, y = given["z"], given["x"], given["y"]
        place = (*key, f"{z}/{x}/{y}")
        png = self._tiles.get(place)
        if png is None:
            png = (await self._picture(request, key)).tile(z, x, y)
            self._tiles.put(place, png, len(png))
        return Response(png, media_type="image/png", headers=IMMUTABLE)

    async def plan(self, request: Request) -> Response:
        """``/tiles/{model}/{version}/{style}/plan.json``."""
        given = request.path_params
        found = await self._picture(request, (given["model"], given["version"], given["style"]))
        text = json.dumps(found.plan(), separators=(",", ":"))
        return Response(text, media_type="application/json", headers=IMMUTABLE)

    async def _picture(self, request: Request, key: tuple[str, str, str]) -> Picture:
        """A picture, if it is of what the catalog has now."""
        found = self._pictures.get(key)
        if found is None:

            def make(bench: Workbench) -> Picture:
                made = self._pictures.get(key)  # a request before this one may have made it
                if made is None:
                    model, version, style = key
                    made = picture(bench, model, Style.parse(style))
                    if made.version != version:
                        raise NotFoundError("the model was changed", hint="reload the page")
                    self._pictures.put(key, made, made.size)
                return made

            found = await self._worker.run(request, make)
        return found
