"""Feature maps after activations of several nodes, that change the number of maps, or without any."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from command_line import Run
from onnx_graphs import build, node, random

import filterkit
from filterkit.errors import UsageError

PICTURE = random(1, 3, 8, 8)


def written(path: Path, *nodes: onnx.NodeProto) -> Path:
    constants = {"w": random(4, 3, 3, 3), "three": np.float32(3), "six": np.float32(6), "zero": np.float32(0)}
    used = {name for each in nodes for name in each.input} | {"w"}
    kept = {name: value for name, value in constants.items() if name in used}
    onnx.save(build([node("Conv", "x w", "c", name="conv"), *nodes], {"x": [1, 3, 8, 8]}, kept), path)
    return path


def maps_of(path: Path, address: str = "net/conv", at: str = "post") -> filterkit.FeatureMaps:
    with filterkit.open(path.with_suffix(".db")) as bench:
        bench.add(path, name="net", replace=True)
        return next(iter(bench.iter_feature_maps(address, inputs={"x": PICTURE}, at=at)))


def test_a_decomposed_hard_swish(tmp_path: Path) -> None:
    nodes = [
        node("Add", "c three", "a"),
        node("Clip", "a zero six", "k"),
        node("Mul", "c k", "m"),
        node("Div", "m six", "y"),
    ]
    path = written(tmp_path / "net.onnx", *nodes)
    post, pre = maps_of(path), maps_of(path, at="pre")
    assert (post.activations["conv"], post.without_activation) == ("hard_swish", ())
    expected = pre.array * np.clip(pre.array + 3, 0, 6) / 6
    np.testing.assert_allclose(post.array, expected, rtol=1e-5, atol=1e-5)


def test_crelu_has_two_maps_of_each_filter(tmp_path: Path) -> None:
    nodes = [node("Neg", "c", "n"), node("Concat", "c n", "k", axis=1), node("Relu", "k", "y")]
    path = written(tmp_path / "net.onnx", *nodes)
    pre, post = maps_of(path, at="pre").array, maps_of(path)
    np.testing.assert_allclose(post.array, np.maximum(np.concatenate([pre, -pre]), 0), atol=1e-6)
    assert post.labels["conv"] == ("0", "1", "2", "3", "0 (2)", "1 (2)", "2 (2)", "3 (2)")
    some = maps_of(path, "net/conv/1,3")
    np.testing.assert_array_equal(some.array, post.array[[1, 3, 5, 7]])
    assert some.makers["conv"] == ("net/conv/1", "net/conv/3") * 2


def test_maxout_has_fewer_maps_than_filters(tmp_path: Path) -> None:
    nodes = [node("Split", "c", "p q", axis=1), node("Max", "p q", "y")]
    path = written(tmp_path / "net.onnx", *nodes)
    pre, post = maps_of(path, at="pre").array, maps_of(path)
    np.testing.assert_array_equal(post.array, np.maximum(pre[:2], pre[2:]))
    assert (post.labels["conv"], post.makers["conv"]) == (("0", "1"), ("net/conv", "net/conv"))
    with pytest.raises(UsageError, match="maxout merges"):
        maps_of(path, "net/conv/1")
    assert len(maps_of(path, "net/conv/1", at="pre").array) == 1


def test_a_layer_without_activation_says_so_once(tmp_path: Path, run: Run) -> None:
    path = written(tmp_path / "net.onnx", node("MaxPool", "c", "y", kernel_shape=[2, 2]))
    post = maps_of(path)
    assert post.without_activation == ("conv",)
    assert maps_of(path, at="pre").without_activation == ()
    np.savez(tmp_path / "two.npz", x=PICTURE)
    words = ("maps", "net/conv", "--input", tmp_path / "two.npz", "--catalog", path.with_suffix(".db"))
    said = run(*words).stderr.splitlines()
    assert [line for line in said if "activation" in line] == [
        "no activation recognized after conv: the maps are the layer's own output, as with --at pre"
    ]
    assert "activation" not in run(*words, "--at", "pre").stderr
    assert "activation" not in run(*words, "--quiet").stderr
