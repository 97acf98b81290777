"""Tells on stderr what of plugins is called and how long it takes, where ``FILTERKIT_TRACE_PLUGINS=1``."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from filterkit import settings
from filterkit.errors import one_line

if TYPE_CHECKING:
    from filterkit.plugins.plugin import Plugin


@contextmanager
def traced(plugin: Plugin, doing: str) -> Iterator[None]:
    """Run code of a plugin, and tell how long it took: ``filterkit: plugin NAME VERSION: DOING 1.25 ms``."""
    if not settings.trace_plugins():
        yield
        return
    start = time.perf_counter()
    try:
        yield
    finally:
        taken = 1000 * (time.perf_counter() - start)
        print(one_line(f"filterkit: plugin {plugin}: {doing} {taken:.2f} ms"), file=sys.stderr)
