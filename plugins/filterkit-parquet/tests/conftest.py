"""Catalogs of tiny models."""

from __future__ import annotations

from pathlib import Path

import filterkit
import pytest
from filterkit.testing import tiny_catalog, tiny_model


@pytest.fixture(scope="session")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog that tests must not change."""
    return tiny_catalog(tmp_path_factory.mktemp("catalog"))


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog that tests may change, with the file of a model, its inputs and a picture beside it."""
    import numpy as np
    from PIL import Image

    folder = tmp_path_factory.mktemp("own")
    tiny_model("plain", folder)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)).save(
        folder / "picture.png"
    )
    path = tiny_catalog(folder, ["plain", "constant", "computed"])
    with filterkit.open(path) as bench:
        bench.add(folder / "plain.onnx", name="again")
    return path
