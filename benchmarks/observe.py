"""Observing all 13 layers of VGG16: against the bare session and torch, in memory, and its exemplars."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import rivals
from measuring import Line, in_turn, megabytes, ratios, seconds
from onnx import ModelProto, ValueInfoProto
from PIL import Image

import filterkit
from filterkit.catalog.model_input import preprocessing_from
from filterkit.catalog.weights import model_file
from filterkit.records import RunOptions
from filterkit.responses.response_network import LayerResponses, ResponseNetwork
from filterkit.responses.statistics import Seen, Statistics, pack
from filterkit.runtime.feature_maps import excerpt_of
from filterkit.runtime.network import Network, Target

BATCH, TURNS, TOP = 8, 9, 9
THREADS = os.cpu_count() or 1
FEW, MANY, SIDE = 1_000, 10_000, 32

OBSERVE = """
import filterkit
with filterkit.open({catalog!r}) as bench:
    bench.observe("vgg16", [{folder!r}], size={side}, name="n{count}", provider="cpu")
"""


def lines(catalog: Path) -> Iterator[Line | str]:
    yield from _speed(catalog)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        own = shutil.copy(catalog, folder / "catalog.db")
        shutil.copytree(catalog.with_suffix(".store"), folder / "catalog.store")
        random = np.random.default_rng(0)
        peaks = {}
        for count in (FEW, MANY):
            for number in range(count):
                place = folder / f"{count}" / f"class {number % 2}" / f"{number:04}.png"
                place.parent.mkdir(parents=True, exist_ok=True)
                pixels = random.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(place, compress_level=1)
            about = {"catalog": str(own), "folder": str(folder / f"{count}"), "count": count, "side": SIDE}
            peaks[count] = megabytes(OBSERVE.format(**about))
        yield Line("peak memory, observe", f"{MANY:,} pictures : {FEW:,}", peaks[MANY] / peaks[FEW], 1.05)
        with filterkit.open(own) as bench:
            layer = "vgg16/block5_conv3"
            bench.exemplars(f"{layer}/0").save(folder / "exemplars.png")  # imports what it needs
            taken = seconds(lambda: bench.exemplars(layer).save(folder / "exemplars.png"))
        yield Line("exemplars of 512 filters, picture made", "1 second", taken, 3.0)
        for table, each, reach in (("exemplar", "exemplar", 60), ("response", "filter", 300)):
            # Relative to the limit, as small ratios are shown inverted.
            size = _bytes_per_row(Path(own), table)
            what = f"{size:.0f} bytes of the catalog per {each}"
            yield Line(what, f"{reach} bytes", size / reach, 1.0)


def _bytes_per_row(catalog: Path, table: str) -> float:
    """What the rows of a table take in the file of a catalog."""
    with closing(sqlite3.connect(catalog)) as connection:
        [size] = connection.execute("SELECT SUM(pgsize) FROM dbstat WHERE name = ?", [table]).fetchone()
        [rows] = connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()
    return float(size) / int(rows)


class _Extremes(ResponseNetwork):
    """As `ResponseNetwork`, but without what is not needed for exemplars, which is not computed."""

    def _to_run(self, part: Any) -> ModelProto:
        model = super()._to_run(part)
        self._names = [name for each in self._reduced.values() for name in (*each[:6], each.shape)]
        del model.graph.output[:]
        model.graph.output.extend(ValueInfoProto(name=name) for name in self._names)
        needed, nodes = set(self._names), []
        for node in reversed(model.graph.node):
            if needed.intersection(node.output):
                needed.update(node.input)
                nodes.append(node)
        del model.graph.node[:]
        model.graph.node.extend(reversed(nodes))
        reduced = self._reduced.items()
        self._reduced = {  # the maxima in place of what is left out
            tensor: each._replace(mean=each.max, mean_square=each.max, active=each.max)
            for tensor, each in reduced
        }
        return model


def _add_all(state: Statistics, found: LayerResponses, seen: Seen) -> None:
    state.add(found, seen)


def _add_extremes(state: Statistics, found: LayerResponses, seen: Seen) -> None:
    numbers, groups = seen.numbers[:, None], seen.groups[:, None]
    state.highest.add(found.max, numbers, pack(found.max_place, found.sizes), groups)
    state.lowest.add(-found.min, numbers, pack(found.min_place, found.sizes), groups)


def _speed(catalog: Path) -> Iterator[Line | str]:
    """Responses of all layers, with what is kept of them, against sessions that compute the last layer alone.

    The bare session runs the pictures together and one by one; the faster of both counts.
    """
    with filterkit.open(catalog) as bench:
        layers = bench._session.matches("vgg16")
        model: Mapping[str, Any] = layers[0].model
        path = model_file(bench.catalog(), model)
        banks = [(bench.bank(each.address), bench.bias(each.address)) for each in layers]
    entry, layout = model["input_name"], model["input_layout"]
    preprocessing = preprocessing_from(model["preprocessing"])
    assert preprocessing is not None
    targets = [
        Target(each.layer["name"], each.layer["post_tensor"], each.layer["post_layout"]) for each in layers
    ]
    filters = {each.layer["name"]: each.layer["filters"] for each in layers}
    options = RunOptions(provider="cpu", threads=THREADS)

    def opened(kind: type[Network], chosen: list[Target]) -> Any:
        wanted = [target.wanted for target in chosen]
        part = excerpt_of(path, wanted, picture_input=entry, layout=layout, cache_dir=None)
        return kind(part, chosen, picture_input=entry, options=options, folder=path.parent)

    prepared = np.random.default_rng(0).normal(size=(BATCH, 224, 224, 3)).astype(np.float32) * 60
    one_by_one = [prepared[number : number + 1] for number in range(BATCH)]
    seen = Seen(np.arange(BATCH), -2 - np.arange(BATCH))

    def observe(network: ResponseNetwork, add: Callable[[Statistics, LayerResponses, Seen], None]) -> None:
        states = {name: Statistics(count, TOP) for name, count in filters.items()}
        for _, found in network.responses(one_by_one, preprocessing, batch=BATCH):
            for name, values in found.items():
                add(states[name], values, seen)

    bare = opened(Network, targets[-1:])
    every, extremes = opened(ResponseNetwork, targets), opened(_Extremes, targets)
    actions: dict[str, Callable[[], Any]] = {
        "all": lambda: observe(every, _add_all),
        "top": lambda: observe(extremes, _add_extremes),
        "together": lambda: bare.maps({entry: prepared}),
        "one by one": lambda: [bare.maps({entry: each}) for each in one_by_one],
    }
    if rivals.has_torch("cpu"):
        actions["torch"] = rivals.torch_top_k(banks, prepared, THREADS, TOP)
    times = in_turn(actions, TURNS)
    fastest = [min(pair) for pair in zip(times["together"], times["one by one"], strict=True)]
    against = "bare ONNX Runtime session"
    top, everything = ratios(times["top"], fastest), ratios(times["all"], fastest)
    yield Line("top exemplars and positions, 13 layers", against, median(top), 1 / 0.92, top)
    yield Line("all responses of all 13 layers of VGG16", against, median(everything), 1 / 0.80, everything)
    if "torch" in times:
        hooks = ratios(times["all"], times["torch"])
        yield Line(
            "all responses of all 13 layers of VGG16", "torch hooks, top 9 only", median(hooks), 1.0, hooks
        )
    else:
        yield "torch is not installed: observe is not compared with it"
