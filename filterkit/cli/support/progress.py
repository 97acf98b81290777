"""Progress bars on stderr, if it is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from filterkit.errors import one_line
from filterkit.plugins.protocols import Progress


@contextmanager
def progress_bar(*, enabled: bool) -> Iterator[Progress]:
    """A callback that draws one bar per task; silent if stderr is not a terminal.

    The first call creates the bar, so that a command without slow work imports and draws nothing.
    """
    if not enabled or not sys.stderr.isatty():
        yield lambda what, done, total: None
        return
    bars = _Bars()
    try:
        yield bars
    finally:
        bars.stop()


class _Bars:
    def __init__(self) -> None:
        self._progress = None
        self._tasks: dict[str, int] = {}

    def __call__(self, what: str, done: int, total: int | None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, Task, TextColumn, TimeRemainingColumn
        from rich.text import Text

        class Amount(DownloadColumn):
            def render(self, task: Task) -> Text:
                # Work without a count, such as an export, shows only its name and a moving bar.
                return super().render(task) if task.completed or task.total else Text()

        if self._progress is None:
            self._progress = Progress(  # type: ignore[assignment]
                TextColumn("{task.description}", markup=False),  # "[" in a name is not markup
                BarColumn(bar_width=None),
                Amount(),
                TimeRemainingColumn(compact=True),
                console=Console(stderr=True),
                transient=True,
            )
            self._progress.start()  # type: ignore[attr-defined]
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(one_line(what), total=total)  # type: ignore[attr-defined]
        self._progress.update(self._tasks[what], completed=done, total=total)  # type: ignore[attr-defined]

    def stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()
