"""Observing all 13 layers of VGG16: against the bare session, in memory, and its exemplars."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np
from measuring import Line, in_turn, megabytes, ratios, seconds
from PIL import Image

import filterkit
from filterkit.address import parse_address
from filterkit.catalog.addresses import resolve
from filterkit.catalog.weights import model_file
from filterkit.records import RunOptions
from filterkit.responses.response_network import ResponseNetwork
from filterkit.runtime.feature_maps import excerpt_of
from filterkit.runtime.network import Network, Target

BATCH, TURNS = 8, 9
FEW, MANY = 100, 1_000

OBSERVE = """
import filterkit
with filterkit.open({catalog!r}) as bench:
    bench.observe("vgg16", [{folder!r}], size=64, name="n{count}", provider="cpu")
"""


def lines(catalog: Path) -> Iterator[Line]:
    yield _speed(catalog)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        own = shutil.copy(catalog, folder / "catalog.db")
        shutil.copytree(catalog.with_suffix(".store"), folder / "catalog.store")
        random = np.random.default_rng(0)
        for count in (FEW, MANY):
            (folder / f"{count}").mkdir()
            for number in range(count):
                pixels = random.integers(0, 256, (64, 64, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{count}" / f"{number:04}.png")
        codes = {
            count: OBSERVE.format(catalog=str(own), folder=str(folder / f"{count}"), count=count)
            for count in (FEW, MANY)
        }
        peaks = {count: megabytes(code) for count, code in codes.items()}
        yield Line("peak memory, observe", f"{MANY} pictures : {FEW}", peaks[MANY] / peaks[FEW], 1.05)
        with filterkit.open(own) as bench:
            taken = seconds(lambda: bench.exemplars("vgg16/block5_conv3").save(folder / "exemplars.png"))
        yield Line("exemplars of 512 filters, picture made", "1 second", taken, 3.0)


def _speed(catalog: Path) -> Line:
    """All statistics of all layers, against a session that computes the last layer alone."""
    with filterkit.open(catalog) as bench:
        layers = resolve(bench.catalog(), parse_address("vgg16"))
        path = model_file(bench.catalog(), layers[0].model)
    entry, layout = layers[0].model["input_name"], layers[0].model["input_layout"]
    targets = [
        Target(each.layer["name"], each.layer["post_tensor"], each.layer["post_layout"]) for each in layers
    ]
    options = RunOptions(provider="cpu", threads=os.cpu_count())

    def opened(kind: type[Network], chosen: list[Target]) -> Network:
        wanted = [target.wanted for target in chosen]
        part = excerpt_of(path, wanted, picture_input=entry, layout=layout, cache_dir=None)
        return kind(part, chosen, picture_input=entry, options=options, folder=path.parent)

    responses, bare = opened(ResponseNetwork, targets), opened(Network, targets[-1:])
    assert isinstance(responses, ResponseNetwork)
    prepared = np.random.default_rng(0).normal(size=(BATCH, 224, 224, 3)).astype(np.float32) * 60
    times = in_turn(
        {
            "observe": lambda: responses.input_responses({entry: prepared}),
            "bare": lambda: bare.maps({entry: prepared}),
        },
        TURNS,
    )
    each = ratios(times["observe"], times["bare"])
    return Line(
        "all responses of all 13 layers of VGG16", "bare ONNX Runtime session", median(each), 1.25, each
    )
