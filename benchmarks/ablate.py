"""Ablation of all 256 filters of a layer of VGG16, against as many runs of the whole network.

Both run on as many threads as there are cores. In a layer with Relu, filters whose map is zero are not run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np
from measuring import Line, seconds
from skimage import data

import filterkit
from filterkit.address import parse_address
from filterkit.catalog.addresses import resolve
from filterkit.catalog.weights import model_file
from filterkit.graph.loading.load import load_model
from filterkit.runtime.onnx_session import open_session, run
from filterkit.runtime.providers import choose

THREADS = os.cpu_count() or 1
LAYER = "block3_conv1"
"""The first of the layers with 256 filters: what comes before it is the smallest share of the network."""
FILTERS, WHOLE, TURNS = 256, 12, 3


def lines(catalog: Path) -> Iterator[Line | str]:
    with filterkit.open(catalog, progress=False) as bench:
        path = model_file(bench.catalog(), resolve(bench.catalog(), parse_address("vgg16"))[0].model)
        model = load_model(path)
        session = open_session(model, choose("cpu"), threads=THREADS, folder=path.parent)
        entry, output = model.graph.input[0].name, model.graph.output[0].name
        prepared = np.random.default_rng(0).normal(size=(1, 224, 224, 3)).astype(np.float32) * 60
        photo = data.astronaut()  # type: ignore[no-untyped-call]

        def whole() -> None:
            for _ in range(WHOLE):
                run(session, [output], {entry: prepared})

        def ablate() -> object:
            return bench.ablate(f"vgg16/{LAYER}", photo, top=None, provider="cpu", threads=THREADS)

        found = bench.ablate(f"vgg16/{LAYER}", photo, top=None)
        if len(found) != FILTERS:
            raise SystemExit(f"{LAYER} has {len(found)} filters")
        each = []
        for _ in range(TURNS):
            before, ours, after = seconds(whole), seconds(ablate), seconds(whole)
            each.append(ours / ((before + after) / 2 / WHOLE * FILTERS))
        yield Line(f"ablate {FILTERS} filters of {LAYER} exactly", "256 whole runs", median(each), 0.8, each)
