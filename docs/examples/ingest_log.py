"""Logs what was added, beside the catalog."""

from pathlib import Path

import filterkit


@filterkit.hookimpl
def filterkit_after_ingest(event):
    with Path(event.catalog).with_suffix(".log").open("a", encoding="utf-8") as log:
        log.write(f"{event.model}: {event.layers} layers, {event.filters} filters\n")
