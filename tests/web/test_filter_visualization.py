"""Feature visualizations on the page of a filter: made on demand, shown while they are made, and kept."""

from __future__ import annotations

import io
import os
import re
import stat
import time
from pathlib import Path

import numpy as np
import pytest
from explorer import Explorer, exploring
from PIL import Image

import filterkit

ADDRESS = "classic/edge_sobel_x/0"
PAGE = f"/m/{ADDRESS}"


def catalog(folder: Path) -> Path:
    with filterkit.open(folder / "catalog.db") as bench:
        bench.add("classic")
    return folder / "catalog.db"


def made(explorer: Explorer, page: str = PAGE) -> str:
    """Make one, and give the page that shows it."""
    answer = explorer.post(f"{page}/visualization", {})
    assert (answer.status, answer.headers["Location"]) == (303, f"{page}#panel-visualization")
    deadline = time.monotonic() + 120
    while 'name="csrf"' in (text := explorer.get(page).text) or "<progress" in text:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return text


def shown(explorer: Explorer, text: str) -> np.ndarray:
    [url] = re.findall(r'<img class="picture" src="([^"]+)"', text)
    return np.asarray(Image.open(io.BytesIO(explorer.get(url).body)).convert("RGB"))


def test_it_is_made_once_and_kept_in_the_store(tmp_path: Path) -> None:
    path = catalog(tmp_path)
    with exploring(path) as explorer:
        assert "Make a feature visualization" in explorer.get(PAGE).text
        assert explorer.get(f"{PAGE}?panel=visualization&format=json").status == 404
        first = shown(explorer, made(explorer))
        [row] = explorer.get(f"{PAGE}?panel=visualization&format=json").json
    with filterkit.open(path) as bench:
        kept = bench.kept_visualization(ADDRESS)
        assert kept is not None
        assert np.array_equal(bench.visualize(ADDRESS).array, kept.array)
    assert row["best"] == pytest.approx(kept.best[0])
    gray = np.rint(kept.array[0, 0] * 255)
    assert np.abs(first[..., 0].astype(float) - gray).max() <= 1
    with exploring(path) as explorer:  # at once, by another process
        assert np.array_equal(shown(explorer, explorer.get(PAGE).text), first)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="such folders can be written there")
def test_of_a_read_only_catalog_it_is_kept_in_memory(tmp_path: Path) -> None:
    path = catalog(tmp_path)
    every = (*tmp_path.rglob("*"), tmp_path)
    for each in every:
        each.chmod(each.stat().st_mode & ~stat.S_IWUSR & ~stat.S_IWGRP & ~stat.S_IWOTH)
    try:
        with exploring(path) as explorer:
            assert shown(explorer, made(explorer)).any()
    finally:
        for each in reversed(every):
            each.chmod(each.stat().st_mode | stat.S_IWUSR)


def test_a_store_that_cannot_be_written_keeps_it_in_memory(tmp_path: Path) -> None:
    """A file in the place of the folder, which root cannot write into either."""
    path = catalog(tmp_path)
    (tmp_path / "catalog.store" / "visualizations").write_bytes(b"")
    with exploring(path) as explorer:
        text = made(explorer)
        assert "/jobs/" in text
        assert shown(explorer, text).any()


@pytest.mark.zoo
def test_progress_and_cancel(vgg16_catalog: Path) -> None:
    page = "/m/vgg16/block5_conv3/11"
    with exploring(vgg16_catalog) as explorer:
        if "Make a feature" not in explorer.get(page).text:
            pytest.skip("it is in the shared store")
        explorer.post(f"{page}/visualization", {})
        text = explorer.get(page).text
        [job] = re.findall(r'data-job="([^"]+)"', text)
        assert '<noscript><meta http-equiv="refresh"' in text
        deadline = time.monotonic() + 120
        while not (state := explorer.get(job).json)["done"]:
            assert state["state"] in ("waiting", "running")
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert state["total"] == 256
        answer = explorer.post(f"{job}/cancel", {})
        assert answer.headers["Location"] == f"{page}#panel-visualization"
        while explorer.get(job).json["state"] == "running":
            time.sleep(0.05)
        text = explorer.get(page).text
        assert "cancelled" in text
        assert "Make a feature visualization" in text
        assert explorer.get(f"{page}?panel=visualization&format=json").status == 404


def test_it_is_of_filters_that_exist(classic: Explorer) -> None:
    for page in ("/m/classic/edge_sobel_x/9", "/m/classic/nothing/0", "/m/nothing/x/0"):
        assert classic.post(f"{page}/visualization", {}).status == 404
    assert classic.get(f"{PAGE}/visualization").status in (404, 405)
