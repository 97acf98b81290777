"""Networks that are open are used again, by several threads, and the least recently used are closed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import onnx
import pytest
from small_networks import RGB, Zoo, banks_of, pixels, small_model, targets_of

from filterkit.records import RunOptions
from filterkit.runtime.feature_maps import Target, open_network
from filterkit.runtime.network_cache import MOST, OpenNetworks


@pytest.mark.zoo
def test_only_what_the_wanted_layer_needs_is_opened(zoo_model: Zoo) -> None:
    path = zoo_model("vgg16")
    first = targets_of(banks_of(path), "post")[:1]
    open_one = partial(open_network, picture_input="input", layout="NHWC", opened=OpenNetworks())
    network = open_one(path, first, options=RunOptions(provider="cpu"))
    again = open_one(path, first, options=RunOptions(provider="cpu"))
    assert again is network
    other = open_one(path, first, options=RunOptions(provider="cpu", threads=1))
    assert other is not network


def test_threads_share_the_networks_that_are_open(tmp_path: Path) -> None:
    """More networks than are kept open, by several threads at once."""
    paths = [tmp_path / f"{number}.onnx" for number in range(MOST + 2)]
    for number, path in enumerate(paths):
        onnx.save(small_model(seed=number), path)

    opened = OpenNetworks()

    def first_value(path: Path) -> float:
        network = open_network(
            path, [Target("c", "y", "NCHW")], picture_input="x", layout="NCHW", opened=opened
        )
        return float(next(network.picture_maps([pixels(6, 7, 3)], RGB))["c"].flat[0])

    alone = [first_value(path) for path in paths]
    assert len(set(alone)) == len(paths)
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(first_value, paths * 20)) == alone * 20


def test_the_least_recently_used_are_closed() -> None:
    opened = OpenNetworks()
    networks = [open_network(small_model(seed=seed), [Target("c", "y", "NCHW")]) for seed in range(MOST + 1)]
    for key, network in enumerate(networks[:MOST]):
        opened.add((key,), network)
    assert opened.find((0,)) is networks[0]  # which makes 1 the least recently used
    opened.add((MOST,), networks[MOST])
    assert [opened.find((key,)) for key in range(MOST + 1)] == [networks[0], None, *networks[2:]]
