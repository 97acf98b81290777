"""Measuring every filter and layer of VGG16 with all built-in metrics, starting from the mapped banks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np
import rivals
from measuring import Line, in_turn, ratios

import filterkit
from filterkit.address import parse_address
from filterkit.catalog.addresses import resolve
from filterkit.catalog.weights import filter_bank, model_file

TURNS = 9


def lines(catalog: Path) -> Iterator[Line | str]:
    with filterkit.open(catalog) as bench:
        metrics = [made for made in bench.registry.metrics() if made.plugin.name == "filterkit.metrics"]
        layers = resolve(bench.catalog(), parse_address("vgg16"))
        path = model_file(bench.catalog(), layers[0].model)

        def measure() -> None:
            for match in layers:
                bank = filter_bank(bench.catalog(), match)
                for metric in metrics:
                    metric.measure(bank)
                    metric.measure_layer(bank)

        session = rivals.bare_session(path, [layers[-1].layer["post_tensor"]], "cpu", os.cpu_count() or 1)
        forward = rivals.bare(session, np.zeros((1, 224, 224, 3), np.float32))
        times = in_turn({"measure": measure, "forward": forward}, TURNS)
    each = ratios(times["measure"], times["forward"])
    against = f"one forward pass at 224 ({1000 * median(times['forward']):.0f} ms)"
    yield Line("all metrics of VGG16", against, median(each), 20, each)
