"""The page about deep filters: its commands run, its table is true, its pictures are what they draw."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

import filterkit
from filterkit.operations.quickstart import place_photo
from filterkit.testing import code_blocks

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "deep-filters.md").read_text(encoding="utf-8")

RunPage = Callable[[str], dict[str, tuple[str, str]]]

pytestmark = pytest.mark.zoo


@pytest.fixture
def folder(with_networks: Callable[..., Path]) -> Path:
    """With VGG16."""
    return with_networks()


def test_the_commands_run_and_draw_the_pictures(folder: Path, run_page: RunPage) -> None:
    assert len(run_page(PAGE)) == 5
    assert np.load("expanded.npy").shape == (128, 3, 14, 14)
    pictures = re.findall(r"\]\(images/(\w+\.png)\)", PAGE)
    assert len(pictures) == 4
    for name in pictures:
        with Image.open(name) as drawn, Image.open(DOCS / "images" / name) as shown:
            assert drawn.size == shown.size
            difference = np.asarray(drawn.convert("RGB"), float) - np.asarray(shown.convert("RGB"), float)
            assert np.abs(difference).mean() < 2, name


def test_the_python_runs(folder: Path) -> None:
    (block,) = code_blocks(PAGE, "python")
    (folder / "page.py").write_text(block, encoding="utf-8")
    found = runpy.run_path(str(folder / "page.py"))
    assert found["weights"].shape == (8, 3, 14, 14)
    found["bench"].close()
    assert (folder / "eight.png").exists()


@pytest.mark.parametrize("row", re.findall(r"^\| `(block\w+)` \| (\S+) \| (\S+) \|$", PAGE, re.M))
def test_the_table_of_correlations(folder: Path, row: tuple[str, str, str]) -> None:
    """As an image is preprocessed for VGG16, and convolved with the expanded weights."""
    layer, median, tenth = row
    place_photo(folder, None, ours=True)
    with filterkit.open("catalog.db") as bench, Image.open("photo.jpg") as photo:
        real = np.asarray(bench.feature_maps(f"vgg16/{layer}/0:32", "photo.jpg", at="pre"))
        weights = bench.bank(f"vgg16/{layer}/0:32", expand=True)
        (found,) = bench.query(f"select jump, offset from layer where name = '{layer}'")
        pixels = np.asarray(photo.convert("RGB").resize((224, 224), Image.Resampling.BILINEAR), np.float32)
    prepared = (pixels[..., ::-1] - [103.939, 116.779, 123.68]).transpose(2, 0, 1).astype(np.float32)
    field, starts = weights.shape[2], np.arange(real.shape[1]) * int(found["jump"]) - int(found["offset"])
    inside = np.flatnonzero((starts >= 0) & (starts + field <= 224))
    windows = sliding_window_view(prepared, (field, field), axis=(1, 2))
    windows = windows[:, starts[inside]][:, :, starts[inside]]
    predicted = np.tensordot(weights, windows, axes=((1, 2, 3), (0, 3, 4)))
    pairs = zip(predicted, real[:, inside][:, :, inside], strict=True)
    shares = [np.corrcoef(one.ravel(), other.ravel())[0, 1] for one, other in pairs]
    assert np.median(shares) == pytest.approx(float(median), abs=0.01)
    assert np.quantile(shares, 0.1) == pytest.approx(float(tenth), abs=0.02)
