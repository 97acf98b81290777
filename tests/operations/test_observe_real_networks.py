"""Observing real networks: every row equals brute force by NumPy over their feature maps."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from brute_force import compare_inputs, compare_pictures
from observed import write_pictures

import filterkit


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("photos") / "photos", 7, classes=1)


@pytest.mark.parametrize("at", ["post", "pre"])
def test_vgg16(vgg16_catalog: Path, tmp_path: Path, photos: Path, at: str) -> None:
    shutil.copy(vgg16_catalog, tmp_path / "catalog.db")
    shutil.copytree(vgg16_catalog.with_suffix(".store"), tmp_path / "catalog.store")
    with filterkit.open(tmp_path / "catalog.db") as bench:
        compare_pictures(bench, "vgg16", photos, size=48, at=at)


def test_channels_last(zoo_model: Callable[[str], Path], bench: filterkit.Workbench, photos: Path) -> None:
    bench.add(zoo_model("open-nsfw"))
    [name] = bench.models()["model"]
    compare_pictures(bench, name, photos)


def test_frames_of_sound(
    zoo_model: Callable[[str], Path], bench: filterkit.Workbench, tmp_path: Path
) -> None:
    """Tones with noise, through 1-D convolutions over time and 2-D ones over time and pitch."""
    bench.add(zoo_model("basic-pitch"))
    time = np.arange(43844) / 22050
    noise = np.random.default_rng(0).normal(size=(5, len(time))) / 50
    tones = np.stack([np.sin(2 * np.pi * pitch * time) for pitch in (110, 220, 311, 440, 880)]) + noise
    compare_inputs(bench, tmp_path, {"serving_default_input_2:0": tones[..., None].astype(np.float32)})
