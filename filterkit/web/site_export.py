"""A part of the explorer as files: for a paper, a class, or a web server without filterkit."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from filterkit import __version__
from filterkit.errors import FilterkitError, UsageError
from filterkit.web import links
from filterkit.web.site_folder import replacing_folder, write, write_manifest
from filterkit.web.site_names import file_name
from filterkit.web.site_pages import Made, SitePages
from filterkit.web.site_scope import Scope, selected
from filterkit.workbench import Workbench

if TYPE_CHECKING:
    from filterkit.plugins.registry import Registry

KINDS = ("models", "layers", "filters", "kernels")
TILES = "tiles"
SAMPLES = {"models": 2, "layers": 3, "filters": 12, "kernels": 2}
"""How many pages of each kind are made to estimate the size of all."""

MOST_PARTS = 20
"""How many pages of a list are made for the estimate."""

MOST_FILES, MOST_BYTES = 200_000, 4_000_000_000
LARGE_FILES, LARGE_BYTES = 5_000, 200_000_000
"""From here on, a person is asked first."""

FEW_PAGES = 100
"""Up to this many pages, one process is faster than starting others."""

AHEAD = 4
"""How many pages wait for each process."""

TASK = "writing pages (steps)"

Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class Estimate:
    """What an export would write, from samples of its pages.

    Attributes
    ----------
    pages, files, size, seconds
        By kind of page; `size` in bytes.
    """

    pages: dict[str, int]
    files: dict[str, int]
    size: dict[str, int]
    seconds: dict[str, float]

    @property
    def is_large(self) -> bool:
        """Whether a person should be asked first."""
        return sum(self.files.values()) > LARGE_FILES or sum(self.size.values()) > LARGE_BYTES

    def check(self) -> None:
        """Refuse an export that is larger than anyone reads.

        Raises
        ------
        UsageError
            It would have too many files, or be too large.
        """
        _check(sum(self.files.values()), sum(self.size.values()), "about ")


class Site:
    """An export of pages.

    Parameters
    ----------
    catalog
        As for `Workbench`.
    addresses
        What is exported: models, layers, filters or kernels, e.g. ``vgg16/block1_*``.
    kernels
        Whether the kernels of the filters have pages, too, if no address names kernels.
    depth
        How many levels of the tiles of an atlas; 0 for no atlas.

    Raises
    ------
    FilterkitError
        An address is wrong, or there is nothing at it.
    """

    def __init__(
        self,
        catalog: str | os.PathLike[str] | None,
        registry: Registry,
        addresses: Collection[str],
        *,
        kernels: bool = False,
        depth: int = 0,
    ) -> None:
        self._catalog, self._registry, self._addresses = catalog, registry, sorted(set(addresses))
        with Workbench(catalog, progress=False, registry=registry) as bench:
            self._scope = selected(bench, addresses, kernels=kernels, depth=depth)
            self._all_filters = sum(sum(bench.layers(model)["filters"]) for model in self._scope.models)

    def estimate(self) -> Estimate:
        """What it would write, from samples of its pages."""
        pages, files, size = (dict.fromkeys((*KINDS, TILES), 0) for _ in range(3))
        seconds = dict.fromkeys((*KINDS, TILES), 0.0)
        with SitePages(self._catalog, self._registry, self._scope) as site:
            site.make("/")  # opens the catalog, which takes its time once
            for kind in KINDS:
                pages[kind] = count = self._scope.count(kind)
                if not count:
                    continue
                wanted = min(SAMPLES[kind], count)
                chosen = {round(each * (count - 1) / max(1, wanted - 1)) for each in range(wanted)}
                urls = [url for number, url in enumerate(self._scope.pages(kind)) if number in chosen]
                start = time.perf_counter()
                made = [each for url in urls for each in self._with_parts(site, url)]
                seconds[kind] = (time.perf_counter() - start) / wanted * count
                files[kind], size[kind] = self._extrapolated(kind, made, count / wanted)
            start = time.perf_counter()
            pages[TILES], files[TILES], size[TILES], share = self._tiles(site)
            seconds[TILES] = (time.perf_counter() - start) * share
        return Estimate(pages, files, size, seconds)

    def _tiles(self, site: SitePages) -> tuple[int, int, int, float]:
        """The tiles of atlases, their files and bytes, and how many times the work of this estimate."""
        if self._scope.depth == 0:
            return 0, 0, 0, 0.0
        tiles, files, size, share = 0, 0, 0, 1.0
        for model, layers in self._scope.all_layers.items():
            page = site.make(f"/atlas/{links.path(model)}")
            urls = [url for url in page.links if url.startswith("/tiles/")]
            chosen = urls[:: max(1, len(urls) // SAMPLES["filters"])]
            drawn = sum(sum(map(len, site.make(url).files.values())) for url in chosen)
            tiles += len(urls)
            files += len(urls) + 1 + len(layers)
            own = sum(len(data) for name, data in page.files.items() if name.startswith("atlas/"))
            size += round(drawn / len(chosen) * len(urls)) + own * (1 + len(layers))
            share = max(share, len(urls) / len(chosen))
        return tiles, files, size, share

    def _with_parts(self, site: SitePages, url: str) -> list[Made]:
        """A page, the other pages of its list, and what else belongs to it, e.g. observations to a model."""
        made, seen = [site.make(url)], {url}
        for is_list in (True, False):  # first its list to the end, whose pages lead to one another
            for each in made:
                for link in each.links:
                    belongs = link.startswith(f"{url}?") or self._scope.is_part(url, link)
                    if belongs and link not in seen and ("page=" in link) == is_list:
                        seen.add(link)
                        if len(made) <= MOST_PARTS:
                            made.append(site.make(link))
        more = len(seen) - len(made)  # as large as those that were made, which are repeated
        return made + [made[1 + number % MOST_PARTS] for number in range(more)]

    def _extrapolated(self, kind: str, made: Sequence[Made], factor: float) -> tuple[int, int]:
        """How many files there are if all pages are like these, and their bytes.

        Thumbnails of exported filters count as part of the pages of layers, which show all of them.
        """
        layers = [(model, name) for model, chosen in self._scope.models.items() for name in chosen]
        shown = [file_name(f"/pictures/_/thumbnail/{links.path(*each)}/_.png")[10:-5] for each in layers]
        own, others = [], {}
        pictures = set()  # views of a list show the same ones
        for name, data in (file for each in made for file in each.files.items()):
            if name.startswith("static/") or name in pictures:
                continue
            if kind in ("models", "layers") or "/thumbnail/" not in name:
                own.append(len(data))
                if name.startswith("pictures/"):
                    pictures.add(name)
            elif not any(each in name for each in shown):
                others[name] = len(data)
        more = min(len(others) * factor, max(len(others), self._all_filters))
        mean = sum(others.values()) / max(1, len(others))
        return round(len(own) * factor + more), round(sum(own) * factor + more * mean)

    def write(self, folder: Path, progress: Progress) -> tuple[int, int]:
        """Write all files; how many, and their bytes.

        Parameters
        ----------
        folder
            A new or empty folder, or that of an earlier export, whose unchanged files are replaced.

        Raises
        ------
        UsageError
            The folder contains other files, or the export is too large.
        """
        with replacing_folder(folder) as new:
            hashes, size = self._write_pages(new, progress)
            about = {"made_by": f"filterkit {__version__}", "addresses": self._addresses}
            write_manifest(new, about, hashes)
        return len(hashes) + 1, size

    def _write_pages(self, folder: Path, progress: Progress) -> tuple[dict[str, str], int]:
        expected = 1 + sum(map(self._scope.count, KINDS))
        hashes: dict[str, str] = {}
        size = 0
        seen, todo, done = {"/"}, deque(["/"]), 0
        with self._makers(folder, expected) as (submit, most):
            running: set[Future[_Written]] = set()
            while todo or running:
                while todo and len(running) < most:
                    running.add(submit(todo.popleft()))
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for written in (each.result() for each in finished):
                    done += 1
                    size += sum(bytes_ for name, (_, bytes_) in written.files.items() if name not in hashes)
                    hashes.update({name: digest for name, (digest, _) in written.files.items()})
                    todo.extend(dict.fromkeys(url for url in written.links if url not in seen))
                    seen.update(written.links)
                _check(len(hashes), size, "")
                progress(TASK, done, max(expected, len(seen)))
        return hashes, size

    @contextmanager
    def _makers(self, folder: Path, pages: int) -> Iterator[tuple[Callable[[str], Future[_Written]], int]]:
        """A function that makes a page here or in other processes, and how many pages it takes at once."""
        count = min(os.cpu_count() or 1, 8)
        if pages <= FEW_PAGES or count == 1:
            with _pages(self._catalog, self._registry, self._scope, folder) as site:
                yield partial(_immediately, site, folder), 1
            return
        from multiprocessing import get_context

        pool = ProcessPoolExecutor(count, get_context("spawn"), _start, (self._catalog, self._scope, folder))
        try:
            yield (lambda url: pool.submit(_make, url)), count * AHEAD
        except BrokenProcessPool as error:
            raise FilterkitError(
                "a process that makes pages ended", hint="is there enough memory?"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class _Written:
    """What was written of a page: SHA-256 and size by name, and the URLs it leads to."""

    files: dict[str, tuple[str, int]]
    links: list[str]


def _write(site: SitePages, folder: Path, url: str) -> _Written:
    made = site.make(url)
    files = {name: (write(folder, name, data), len(data)) for name, data in made.files.items()}
    return _Written(files, made.links)


def _immediately(site: SitePages, folder: Path, url: str) -> Future[_Written]:
    future: Future[_Written] = Future()
    future.set_result(_write(site, folder, url))
    return future


def _pages(
    catalog: str | os.PathLike[str] | None, registry: Registry, scope: Scope, folder: Path
) -> SitePages:
    return SitePages(catalog, registry, scope, lambda name: (folder / name).exists())


_here: list[tuple[SitePages, Path]] = []
"""In a process of its own: what makes pages, and where."""


def _start(catalog: str | os.PathLike[str] | None, scope: Scope, folder: Path) -> None:
    """Prepare a process that makes pages; Ctrl-C is for the process that started it."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    registry = Workbench(catalog).registry
    _here.append((_pages(catalog, registry, scope, folder), folder))


def _make(url: str) -> _Written:
    site, folder = _here[0]
    return _write(site, folder, url)


def _check(files: int, size: int, about: str) -> None:
    if files > MOST_FILES or size > MOST_BYTES:
        raise UsageError(
            f"the export has {about}{files:,} files and {size / 1e6:,.0f} MB; the limit is "
            f"{MOST_FILES:,} files and {MOST_BYTES / 1e6:,.0f} MB",
            hint="fewer layers, filters or kernels, e.g. vgg16/block1_*/0:32",
        )
