"""The explorer: tiles over HTTP, the atlas in Chromium, pages, memory, and many models.

The numbers are for two idle cores. Chromium and its chromedriver are needed for what a browser does; a
catalog of 1,000 models, made as in `scale`, takes some minutes and 2 GB of temporary files.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from measuring import Line, in_turn, ratios, seconds
from scale import grow

CONNECTIONS = 6
STARTS, VISITS, SEARCHES = 5, 5, 60
FEW, MANY, TURNS = 10, 1000, 21
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--window-size=1280,800")

PAGES = ("/m/vgg16", "/m/vgg16/block5_conv1", "/m/vgg16/block3_conv1/70/12", "/atlas/vgg16")
"""Of one model."""

FRAMES = """
const done = arguments[0];
const view = document.querySelector("#atlas [role=application]");
const {left, top, width, height} = view.getBoundingClientRect();
const times = [];
const at = (x, y, more) => ({bubbles: true, cancelable: true, clientX: left + x, clientY: top + y, ...more});
const drag = (kind, x, y, buttons) => view.dispatchEvent(
  new PointerEvent(kind, at(x, y, {pointerId: 1, pointerType: "mouse", isPrimary: true, buttons})));
let frame = 0;
const step = time => {
  times.push(time);
  const turn = frame % 120;
  if (turn < 50 && turn % 5 === 0) {  // zoom in and out
    const deltaY = Math.floor(frame / 120) % 4 < 3 ? -100 : 100;
    view.dispatchEvent(new WheelEvent("wheel", at(width / 2 + 40, height / 2 - 30, {deltaY})));
  }
  if (turn === 60) drag("pointerdown", width / 2, height / 2, 1);
  const way = turn - 60;
  if (way > 0 && way < 50) drag("pointermove", width / 2 - 4 * way, height / 2 + 2 * way, 1);
  if (turn === 110) drag("pointerup", width / 2 - 196, height / 2 + 98, 0);
  frame += 1;
  if (frame < 720) requestAnimationFrame(step);
  else done(times.slice(1).map((each, number) => each - times[number]));
};
requestAnimationFrame(step);
"""
"""Scripted zoom and pan; returns milliseconds between frames."""

LOADED = "const root = document.getElementById('atlas'); return root !== null && 'loaded' in root.dataset"
MOMENT = "return performance.getEntriesByName(arguments[0])[0].startTime"


def lines(catalog: Path) -> Iterator[Line | str]:
    yield from starting(catalog)
    with serving(catalog) as explorer:
        yield from tiles(explorer)
        yield from browsing(explorer)
        yield from pages(explorer)
        yield Line("peak memory after all of this, MB", "", explorer.memory(), 250)
    yield from many_models(catalog)


class Explorer:
    """A running explorer."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process, self.url = process, url
        parts = urlsplit(url)
        self.host, self.port = str(parts.hostname), int(parts.port or 0)
        self.base = f"http://{self.host}:{self.port}"
        connection = self.connection()
        connection.request("GET", f"/?{parts.query}")
        self.cookie = str(connection.getresponse().headers["Set-Cookie"]).partition(";")[0]

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.host, self.port, timeout=120)

    def get(self, path: str, connection: http.client.HTTPConnection | None = None) -> bytes:
        connection = connection or self.connection()
        connection.request("GET", path, headers={"Cookie": self.cookie})
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, (path, answer.status)
        return body

    def memory(self) -> float:
        """Peak of its resident memory, in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


@contextmanager
def serving(catalog: Path) -> Iterator[Explorer]:
    command = [sys.executable, "-m", "filterkit", "serve", "--catalog", str(catalog), "--port", "0"]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, **pipes) as process:
        try:
            assert process.stdout is not None
            yield Explorer(process, process.stdout.readline().strip())
        finally:
            process.send_signal(signal.SIGINT)


def starting(catalog: Path) -> Iterator[Line]:
    """From the command to its first answer."""
    taken = []
    for _ in range(STARTS):
        start = time.perf_counter()
        with serving(catalog):
            taken.append(time.perf_counter() - start)
    yield Line("ready, seconds", "", statistics.median(taken), 2)


def tiles(explorer: Explorer) -> Iterator[Line]:
    """Tiles of all levels, each asked for once, and no two from memory."""
    [place] = re.findall(rb'data-tiles="([^"]+)"', explorer.get("/atlas/vgg16"))
    plan = json.loads(explorer.get(f"{place.decode()}/plan.json"))
    explorer.get(f"{place.decode()}/0/0/0.png")  # makes the overviews
    finest = plan["levels"]
    paths = [
        f"{place.decode()}/{z}/{x}/{y}.png"
        for z in (finest, finest - 1, finest - 2)
        for x in range(-(-plan["width"] // (plan["tile"] << finest - z)))
        for y in range(-(-plan["height"] // (plan["tile"] << finest - z)))
    ]
    random.Random(0).shuffle(paths)
    alone, together = paths[: len(paths) // 3], paths[len(paths) // 3 :]

    connection, taken = explorer.connection(), []
    for path in alone:
        start = time.perf_counter()
        explorer.get(path, connection)
        taken.append(1000 * (time.perf_counter() - start))
    yield Line("tile over HTTP, median, ms", "", statistics.median(taken), 5)
    yield Line("tile over HTTP, 95th percentile, ms", "", percentile(taken, 95), 25)

    def fetch(part: Sequence[str]) -> None:
        own = explorer.connection()
        for path in part:
            explorer.get(path, own)

    start = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as executor:
        list(executor.map(fetch, [together[number::CONNECTIONS] for number in range(CONNECTIONS)]))
    each = 1000 * (time.perf_counter() - start) / len(together)
    yield Line(f"ms per tile on {CONNECTIONS} connections ({1000 / each:.0f} a second)", "", each, 4)


def browsing(explorer: Explorer) -> Iterator[Line | str]:
    """The atlas in a browser with an empty cache."""
    browser, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if not (browser and driver):
        yield "  not measured: the browser's part needs Chromium and its chromedriver"
        return
    from selenium import webdriver

    painted, loaded, frames = [], [], []
    for _ in range(VISITS):
        options = webdriver.ChromeOptions()
        options.binary_location = browser
        for flag in FLAGS:
            options.add_argument(flag)
        with webdriver.Chrome(options=options, service=webdriver.ChromeService(driver)) as chrome:
            chrome.set_script_timeout(120)
            chrome.get(explorer.url)
            chrome.get(f"{explorer.base}/atlas/vgg16")
            wait(lambda: chrome.execute_script(LOADED))
            painted.append(chrome.execute_script(MOMENT, "first-contentful-paint"))
            loaded.append(chrome.execute_script(MOMENT, "atlas loaded") / 1000)
            frames += chrome.execute_async_script(FRAMES)
    yield Line("first paint of the atlas, ms", "", statistics.median(painted), 500)
    yield Line("atlas whole, seconds", "", statistics.median(loaded), 1)
    yield Line("zoom and pan, median ms a frame", "", round(statistics.median(frames), 1), 16.7)
    yield Line("zoom and pan, 95th percentile, ms a frame", "", percentile(frames, 95), 33)


def pages(explorer: Explorer) -> Iterator[Line]:
    """Pages of a layer of 512 filters, and of searches among all kernels and filters."""
    layer = [seconds(lambda: explorer.get("/m/vgg16/block5_conv1")) for _ in range(VISITS + 1)][1:]
    yield Line("page of a layer of 512 filters, ms", "", 1000 * statistics.median(layer), 300)
    draw = random.Random(0)
    for what, kernel in (("filter", ""), ("kernel", "/3")):
        searches = [
            f"/similar?query=vgg16/block3_conv1/{draw.randrange(256)}{kernel}" for _ in range(SEARCHES)
        ]
        explorer.get(searches[0])
        taken = [1000 * seconds(lambda path=path: explorer.get(path)) for path in searches]
        yield Line(f"similar to a {what}, 95th percentile, ms", "", percentile(taken, 95), 300)


def many_models(catalog: Path) -> Iterator[Line]:
    """Pages of one model, in a catalog of many models compared with one of few."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        explorers = {}
        for count in (FEW, MANY):
            grown = Path(name) / f"{count}.db"
            shutil.copyfile(catalog, grown)
            shutil.copytree(catalog.with_suffix(".store"), grown.with_suffix(".store"), copy_function=os.link)
            grow(grown, count)
            explorers[count] = stack.enter_context(serving(grown))
        for page in PAGES:
            actions: dict[str, Callable[[], Any]] = {
                str(count): lambda explorer=explorer, page=page: explorer.get(page)
                for count, explorer in explorers.items()
            }
            taken = in_turn(actions, TURNS)
            slower = ratios(taken[str(MANY)], taken[str(FEW)])
            yield Line(
                f"{page}, {MANY:,} models", f"the same, {FEW} models", statistics.median(slower), 1.3, slower
            )


def percentile(values: Sequence[float], share: int) -> float:
    return statistics.quantiles(values, n=100)[share - 1]


def wait(until: Callable[[], bool]) -> None:
    while not until():
        time.sleep(0.02)
