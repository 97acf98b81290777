"""Progress of long work: bars on a terminal or in a notebook, and nothing where nobody watches."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Any

from filterkit.errors import one_line

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Progress

STEPS = " (steps)"
"""End of the names of tasks that count steps instead of bytes."""

REDRAW_SECONDS = 0.1
"""How often a notebook is updated; every update is a message to the browser."""

PICTURES = "pictures"
"""The last word of the names of tasks that count pictures, not bytes."""


def amount_of_pictures(done: int, total: float | None, speed: float | None) -> str:
    """``120/1,000, 7.5/s``: how many pictures are done, of how many, and how many per second."""
    of_all = f"{done:,}" if total is None else f"{done:,}/{int(total):,}"
    return of_all if not speed else f"{of_all}, {speed:,.1f}/s"


@contextmanager
def progress_bar(progress: Progress | bool) -> Iterator[Progress]:
    """A callback that draws one bar per task until the context ends.

    The first call creates the bars, so that work that is not slow imports and draws nothing.

    Parameters
    ----------
    progress
        False draws nothing. True draws only on a terminal (stderr) or in a notebook. A callback is used as it
        is.
    """
    if callable(progress):
        yield progress
        return
    bars: _TerminalBars | _NotebookBars | None = None
    if progress and _in_notebook():
        bars = _NotebookBars()
    elif progress and sys.stderr is not None and sys.stderr.isatty():
        bars = _TerminalBars()
    if bars is None:
        yield lambda what, done, total: None
        return
    try:
        yield bars
    finally:
        bars.stop()


def _in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


class _TerminalBars:
    def __init__(self) -> None:
        self._progress: Any = None
        self._tasks: dict[str, int] = {}

    def __call__(self, what: str, done: int, total: int | None) -> None:
        if self._progress is None:
            self._progress = _rich_progress()
            self._progress.start()
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(one_line(what), total=total)
        self._progress.update(self._tasks[what], completed=done, total=total)

    def stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()


def _rich_progress() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Amount(DownloadColumn):
        def render(self, task: Task) -> Text:
            if task.description.endswith(STEPS):
                return Text(f"{task.completed:,.0f}/{task.total or 0:,.0f}")
            if task.description.endswith(PICTURES):
                return Text(amount_of_pictures(int(task.completed), task.total, task.speed))
            # Work without a count, such as an export, shows only its name and a moving bar.
            return super().render(task) if task.completed or task.total else Text()

    return Progress(
        TextColumn("{task.description}", markup=False),  # "[" in a name is not markup
        BarColumn(bar_width=None),
        Amount(),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=sys.stdout.isatty(),  # rows for a pipe would be printed on the terminal
    )


class _NotebookBars:
    """Bars in the output of a cell, which is empty once they stop. They need no widgets."""

    def __init__(self) -> None:
        self._tasks: dict[str, tuple[int, int | None]] = {}
        self._handle: Any = None
        self._drawn = 0.0

    def __call__(self, what: str, done: int, total: int | None) -> None:
        is_new = what not in self._tasks
        self._tasks[what] = done, total
        now = time.monotonic()
        if is_new or now - self._drawn > REDRAW_SECONDS:
            self._drawn = now
            self._draw()

    def stop(self) -> None:
        self._tasks.clear()
        if self._handle is not None:
            self._draw()

    def _draw(self) -> None:
        from IPython.display import display

        shares = {
            one_line(what): min(done / total, 1.0) if total else None
            for what, (done, total) in self._tasks.items()
        }
        bars = (
            f"<div>{escape(what)} <progress{'' if share is None else f' value={share:.3f}'}></progress></div>"
            for what, share in shares.items()
        )
        texts = (what if share is None else f"{what}: {share:.0%}" for what, share in shares.items())
        content = {"text/html": "".join(bars), "text/plain": ", ".join(texts)}
        if self._handle is None:
            self._handle = display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)
