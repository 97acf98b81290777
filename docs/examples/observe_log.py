"""Logs what was observed, beside the catalog."""

from pathlib import Path

import filterkit


@filterkit.hookimpl
def filterkit_after_observe(event):
    with Path(event.catalog).with_suffix(".log").open("a", encoding="utf-8") as log:
        log.write(
            f"{event.model}: {event.observation}, {event.pictures} pictures, {event.added} of them new\n"
        )
