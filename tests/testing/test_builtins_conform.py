"""What filterkit contributes to itself passes the checks that it gives to others."""

from __future__ import annotations

import importlib
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import h5py
import numpy as np
import pytest
import typer
from PIL import Image
from safetensors.numpy import save_file

from filterkit.cli.app import COMMANDS, build_app
from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import Kind, Registry
from filterkit.testing import (
    TINY_MODELS,
    build_model,
    check_attribution,
    check_command,
    check_extractor,
    check_format,
    check_gradient_rule,
    check_image_source,
    check_metric,
    check_normalizer,
    check_panel,
    check_renderer,
    check_source,
    node,
    tiny_model,
)

REGISTRY = Registry(load_plugins(discover=False))

OBJECTS: tuple[tuple[Kind, Callable[[Any], None]], ...] = (
    ("normalizer", check_normalizer),
    ("renderer", check_renderer),
    ("metric", check_metric),
    ("format", check_format),
    ("attribution", check_attribution),
)
VARIANTS = {
    "normalizer": (
        "minmax:per=kernel",
        "percentile:per=filter,low=5",
        "zscore:limit=1",
        "symmetric:per=kernel",
    ),
    "renderer": ("grid:format=svg", "mosaic:scale=2,gap=0", "terminal:color=none", "terminal:color=ansi256"),
    "attribution": (
        "integrated-gradients:steps=5,baseline=blur",
        "smoothgrad:samples=3,noise=0.5",
        "occlusion:window=5,stride=2,fill=blur",
    ),
}
"""Besides what each kind is with its defaults."""


@pytest.mark.parametrize(
    ("kind", "spec", "check"),
    [
        (kind, spec, check)
        for kind, check in OBJECTS
        for spec in (*REGISTRY.names(kind), *VARIANTS.get(kind, ()))
    ],
)
def test_all_that_is_built_in_conforms(kind: Any, spec: str, check: Callable[[Any], None]) -> None:
    check(REGISTRY.create(kind, spec).inner)


@pytest.mark.parametrize("name", REGISTRY.names("extractor"))
def test_extractors_conform(name: str, tmp_path: Path) -> None:
    models = [tiny_model(kind, tmp_path) for kind in TINY_MODELS]
    check_extractor(REGISTRY.create("extractor", name).inner, *models)


def _source(name: str) -> Any:
    return REGISTRY.create("source", name).inner  # type: ignore[call-overload]


def test_the_classic_source_conforms() -> None:
    check_source(_source("classic"), "", wrong=["sobel", "?size=5"])


def test_the_onnx_source_conforms(tmp_path: Path) -> None:
    models = [str(tiny_model(kind, tmp_path).path) for kind in ("plain", "inside-if", "not-finite")]
    check_source(_source("onnx"), *models, wrong=["", str(tmp_path), f"{tmp_path}/absent.onnx"])


@pytest.mark.parametrize("name", ["net.npz", "net.safetensors", "net.h5"])
def test_the_source_of_weights_conforms(name: str, tmp_path: Path) -> None:
    arrays = {
        f"{layer}.weight": np.full((4, 3, 3, 3), number, np.float32) for number, layer in enumerate("ab")
    }
    path = tmp_path / name
    if path.suffix == ".npz":
        np.savez(path, **arrays)  # type: ignore[arg-type]
    elif path.suffix == ".safetensors":
        save_file(arrays, path)
    else:
        with h5py.File(path, "w") as file:
            for layer, values in arrays.items():
                file[layer] = values
    check_source(_source("weights"), str(path), wrong=["", str(tmp_path), f"{tmp_path}/absent.npz"])


@pytest.mark.zoo
def test_sources_of_downloads_conform(zoo_model: Callable[[str], Path]) -> None:
    zoo_model("mnist-cnn")  # skips where it cannot be fetched
    check_source(_source("zoo"), "mnist-cnn", wrong=["", "vgg"])
    check_source(
        _source("wheel"), "qonnx==1.0.0!qonnx/data/onnx/mnist-conv/model.onnx", wrong=["", "qonnx==1.0.0"]
    )


@pytest.mark.keras
def test_the_keras_source_conforms(tmp_path: Path) -> None:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    require = importlib.import_module if os.environ.get("FILTERKIT_REQUIRE_KERAS") else pytest.importorskip
    for module in ("torch", "onnxscript"):
        require(module)
    keras = require("keras")
    path = tmp_path / "small.keras"
    keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3)]).save(path)
    check_source(_source("keras"), str(path), wrong=["", "Nothing", "MobileNet?wieghts=none"])


GRADIENTS: dict[str, list[Any]] = {
    "activation": [node("Relu", "x", "y"), node("Gelu", "x", "y"), node("PRelu", "x x", "y")],
    "arithmetic": [node("Mul", "x x", "y"), node("Sub", "x v", "y"), node("Exp", "x", "y")],
    "choice": [node("Max", "x v", "y"), node("ReduceMax", "x a", "y")],
    "convolution": [node("Conv", "x w", "y"), node("ConvTranspose", "x w", "y", strides=[2, 2])],
    "indexing": [node("Gather", "x i", "y", axis=1), node("Pad", "x p", "y", mode="reflect")],
    "matrix-product": [node("MatMul", "x m", "y"), node("Einsum", "x m", "y", equation="nchw,wk->nk")],
    "normalization": [node("LRN", "x", "y", size=3), node("InstanceNormalization", "x s s", "y")],
    "pooling": [
        node("MaxPool", "x", "y", kernel_shape=[2, 2]),
        node("AveragePool", "x", "y", kernel_shape=[3, 2], pads=[1, 1, 1, 1]),
        node("GlobalAveragePool", "x", "y"),
    ],
    "rearrangement": [node("Transpose", "x", "y", perm=[0, 2, 1, 3])],
    "reduction": [node("Softmax", "x", "y", axis=1), node("ReduceL2", "x a", "y")],
    "resizing": [node("Resize", "x _ f", "y", mode="linear"), node("Resize", "x _ f", "y", mode="cubic")],
}
"""By rule; those of quantization pass gradients straight through a staircase, which has none."""


@pytest.mark.parametrize("name", [name for name in REGISTRY.names("gradient-rule") if name in GRADIENTS])
def test_gradient_rules_conform(name: str) -> None:
    random = np.random.default_rng(0).normal
    constants = {
        "v": random(size=(3, 1, 5)).astype(np.float32),
        "w": random(size=(3, 3, 2, 2)).astype(np.float32),
        "m": random(size=(5, 2)).astype(np.float32),
        "s": np.ones(3, np.float32),
        "i": np.array([2, 0, 0]),
        "p": np.array([0, 0, 1, 2, 0, 0, 2, 1]),
        "a": np.array([2]),
        "f": np.array([1, 1, 2, 1.5], np.float32),
    }
    models = [build_model([each], {"x": [2, 3, 4, 5]}, constants, opset=20) for each in GRADIENTS[name]]
    check_gradient_rule(REGISTRY.create("gradient-rule", name).inner, *models)


@pytest.mark.parametrize("name", REGISTRY.names("image-source"))
def test_image_sources_conform(tmp_path: Path, name: str) -> None:
    for place in ("cat/1.png", "tree/1.png"):
        (tmp_path / place).parent.mkdir()
        Image.new("L", (3, 2), len(place)).save(tmp_path / place)
    (tmp_path / "list").write_text("cat/1.png,cat\ntree/1.png")
    with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
        archive.write(tmp_path / "cat" / "1.png", "cat/1.png")
    np.savez(tmp_path / "npz.npz", x=np.ones((3, 2)))
    spec = {
        "files": tmp_path,
        "list": tmp_path / "list",
        "zip": tmp_path / "zip",
        "npz": tmp_path / "npz.npz",
    }
    wrong = ["", str(tmp_path / "none"), "https://example.com/a"]
    check_image_source(REGISTRY.create("image-source", name).inner, str(spec[name]), wrong=wrong)


@pytest.mark.parametrize("name", REGISTRY.names("panel"))
def test_panels_conform(name: str) -> None:
    check_panel(REGISTRY.create("panel", name).inner, models=["classic"])


def test_nothing_is_left_out() -> None:
    """Every kind, and every source; all names of the other kinds are checked above."""
    assert not REGISTRY.names("response-metric")  # there is none to check
    assert {kind for kind, _ in OBJECTS} | {
        *("extractor", "source", "gradient-rule", "attribution", "image-source", "response-metric"),
        "panel",
    } == set(get_args(Kind))
    called = re.findall(r'_source\("([\w-]+)"\)', Path(__file__).read_text(encoding="utf-8"))
    assert set(called) == set(REGISTRY.names("source"))


def test_commands_conform() -> None:
    """Every command of filterkit's own, as a plugin would add it."""

    def add(app: typer.Typer) -> None:
        own = build_app()
        app.registered_commands += own.registered_commands
        app.registered_groups += own.registered_groups

    assert sum(map(len, COMMANDS.values())) > 10
    check_command(
        add,
        "layers plain",
        "filters 'depthwise/*' --sort -l2_norm --format csv",
        "show conv1d/conv --renderer terminal",
        "plugins list",
    )
