"""Running a network: feature maps of VGG16 at 224 × 224 as NumPy arrays, from filterkit and from others.

filterkit receives pixels and is timed from the address on: resolving it, preparing the pictures, running,
returning the maps of each picture with their names. The others receive prepared pictures. All run on as
many threads as there are cores.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import rivals
from measuring import Line, in_turn, ratios

import filterkit
from filterkit.address import parse_address
from filterkit.catalog.addresses import resolve
from filterkit.catalog.weights import model_file
from filterkit.runtime.providers import probe

THREADS = os.cpu_count() or 1
MEANS = np.array([103.939, 116.779, 123.68], np.float32)
"""Means of B, G and R, the channel order of VGG16."""

BARE, BOUND, TORCH, KERAS = "bare ONNX Runtime", "bare, bound outputs", "torch, hooks", "Keras, predict"
REACH = {BARE: 1.05, BOUND: 1.05, TORCH: 1.0, KERAS: 1.0}
TURNS = {1: 25, 8: 9, 64: 5}
"""From batch size to the number of runs per side; the machine's noise is larger than the differences."""


def lines(catalog: Path) -> Iterator[Line | str]:
    with filterkit.open(catalog) as bench:
        yield f"feature maps: {THREADS} threads each; filterkit from pixels, others from prepared pictures"
        for batch in (1, 8):
            yield from _against(bench, "cpu", batch)
        yield _first_layers(bench)
        cuda = probe()["cuda"]
        if not cuda["usable"]:
            yield f"feature maps on CUDA: no CUDA here ({cuda['reason']})"
            return
        for batch in (1, 8, 64):
            yield from _against(bench, "cuda", batch)


def _first_layers(bench: filterkit.Workbench) -> Line:
    picture = _pixels(1)[0]
    run = partial(bench.feature_maps, image=picture, provider="cpu", threads=THREADS)
    times = in_turn({"one": lambda: run("vgg16/block1_conv2"), "all": lambda: run("vgg16")}, TURNS[1])
    each = ratios(times["one"], times["all"])
    return Line("feature maps of block1_conv2", "of all 13 layers", median(each), 0.35, each)


def _against(bench: filterkit.Workbench, provider: str, batch: int) -> Iterator[Line | str]:
    pixels = _pixels(batch)
    what = f"all feature maps, {provider}, batch {batch}"
    run = partial(bench.iter_feature_maps, "vgg16", pixels, provider=provider, threads=THREADS)
    ours: Callable[[], Any] = lambda: list(run())  # noqa: E731
    others, missing = _others(bench, pixels[..., ::-1].astype(np.float32) - MEANS, provider)
    answer = ours()
    wanted = [np.stack([maps.maps[name] for maps in answer]) for name in answer[0].maps]
    for name, other in others.items():
        for one, two in zip(wanted, other(), strict=True):
            if np.abs(one - two).max() > 1e-3 * np.abs(one).max():
                raise SystemExit(f"{name} does not compute the same feature maps")
    del answer, wanted
    times = in_turn({"filterkit": ours, **others}, TURNS[batch])
    for name in others:
        each = ratios(times["filterkit"], times[name])
        yield Line(what, f"{name} ({1000 * min(times[name]):.0f} ms)", median(each), REACH[name], each)
    yield from (f"{what}: {library} is not installed" for library in missing)


def _others(
    bench: filterkit.Workbench, prepared: rivals.Array, provider: str
) -> tuple[dict[str, rivals.Run], list[str]]:
    """The baselines by name, and the libraries that are missing."""
    layers = resolve(bench.catalog(), parse_address("vgg16"))
    tensors = [match.layer["post_tensor"] for match in layers]
    path = model_file(bench.catalog(), layers[0].model)
    session = rivals.bare_session(path, tensors, provider, THREADS)
    found = (
        {BARE: rivals.bare(session, prepared)}
        if provider == "cpu"
        else {BOUND: rivals.bound(session, prepared)}
    )
    banks = [(bench.bank(match.address), bench.bias(match.address)) for match in layers]
    if not rivals.has_torch(provider):
        return found, ["torch", "Keras on torch"] if provider == "cpu" else ["torch with CUDA"]
    found[TORCH] = rivals.torch_hooks(banks, prepared, provider, THREADS)
    if provider == "cuda":
        return found, []
    if find_spec("keras") is None:
        return found, ["keras"]
    found[KERAS] = rivals.keras_predict(banks, prepared)
    return found, []


def _pixels(batch: int) -> rivals.Array:
    return np.random.default_rng(0).integers(0, 256, (batch, 224, 224, 3), dtype=np.uint8)
