"""Draws the first layer of every model that is added, beside the catalog."""

from pathlib import Path

import filterkit


@filterkit.hookimpl
def filterkit_after_ingest(event):
    with filterkit.open(event.catalog) as bench:
        [first, *_] = bench.layers(event.model)
        picture = bench.render(bench.sheet(first["address"]), "mosaic:scale=8")
    Path(event.catalog).with_name(f"{event.model}.png").write_bytes(picture)
