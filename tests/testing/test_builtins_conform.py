"""What filterkit contributes to itself passes the checks that it gives to others."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import h5py
import numpy as np
import pytest
import typer
from safetensors.numpy import save_file

from filterkit.cli.app import COMMANDS, build_app
from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import Kind, Registry
from filterkit.testing import (
    TINY_MODELS,
    check_command,
    check_extractor,
    check_format,
    check_metric,
    check_normalizer,
    check_renderer,
    check_source,
    tiny_model,
)

REGISTRY = Registry(load_plugins(discover=False))

OBJECTS: tuple[tuple[Kind, Callable[[Any], None]], ...] = (
    ("normalizer", check_normalizer),
    ("renderer", check_renderer),
    ("metric", check_metric),
    ("format", check_format),
)
VARIANTS = {
    "normalizer": (
        "minmax:per=kernel",
        "percentile:per=filter,low=5",
        "zscore:limit=1",
        "symmetric:per=kernel",
    ),
    "renderer": ("grid:format=svg", "mosaic:scale=2,gap=0", "terminal:color=none", "terminal:color=ansi256"),
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


def test_nothing_is_left_out() -> None:
    """Every kind, and every source; all names of the other kinds are checked above."""
    assert {kind for kind, _ in OBJECTS} | {"extractor", "source"} == set(get_args(Kind))
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
