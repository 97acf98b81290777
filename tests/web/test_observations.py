"""The page of an observation: its pictures, classes, and what fires for a picture."""

from __future__ import annotations

import io
import re
import shutil
from pathlib import Path
from urllib.parse import quote

import numpy as np
import onnx
import pytest
from explorer import exploring
from observed import write_pictures
from PIL import Image

import filterkit
from filterkit.testing import build_model, node

PLACE = "/m/net/observations/photos"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a catalog of a small network, observed over 60 pictures of two classes, one with an odd name."""
    random = np.random.default_rng(0)
    weights = {"w": random.standard_normal((6, 3, 3, 3), np.float32) - 0.1}
    nodes = [node("Conv", "x w", "y", "conv"), node("Relu", "y", "z")]
    model = build_model(nodes, {"x": ["N", 3, "H", "W"]}, weights)
    onnx.save(model, tmp_path / "net.onnx")
    photos = write_pictures(tmp_path / "photos", 60)
    (photos / "class1").rename(photos / "it's <b>")
    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.add(tmp_path / "net.onnx")
        bench.observe("net", [photos], name="photos")
    return tmp_path


def test_pictures_and_what_fires_for_one(folder: Path) -> None:
    with filterkit.open(folder / "catalog.db") as bench, exploring(folder / "catalog.db") as explorer:
        rows = bench.observed_pictures("net", observation="photos")
        page = explorer.get(PLACE)
        hashes = re.findall(r'href="[^"]*\?image=([0-9a-f]{64})"', page.text)
        assert hashes == rows["sha256"][:48]
        assert (
            re.findall(r'href="[^"]*\?image=([0-9a-f]{64})"', explorer.get(f"{PLACE}?page=2").text)
            == (rows["sha256"][48:])
        )
        url = next(each for each in page.links if "/observed/" in each)
        answer = explorer.get(url)
        assert answer.headers["Cache-Control"] == "private, no-cache"
        with Image.open(rows[0]["image"]) as original:
            drawn = np.array(Image.open(io.BytesIO(answer.body)))
            assert np.array_equal(drawn, np.array(original))
        one = explorer.get(f"{PLACE}?image={hashes[0]}")
        expected = bench.responding_filters("net", hashes[0], observation="photos")
        assert re.findall(r'class="address" href="/m/(net/conv/\d)"', one.text) == expected["address"]
        assert explorer.get(f"{PLACE}?image={hashes[0]}&format=json").json == list(expected)
        assert f"image={hashes[1]}" in one.text  # the next one
        assert "<h1>" + Path(rows[0]["image"]).name in one.text


def test_moved_and_changed_pictures_are_not_shown(folder: Path) -> None:
    with exploring(folder / "catalog.db") as explorer:
        url, other = [each for each in explorer.get(PLACE).links if "/observed/" in each][:2]
        with filterkit.open(folder / "catalog.db") as bench:
            files = [Path(row["image"]) for row in bench.observed_pictures("net")]
        files[0].unlink()
        files[0].symlink_to(files[1])
        shutil.copy(files[2], files[1])
        assert explorer.get(url).status == explorer.get(other).status == 404
        assert explorer.get(PLACE).status == 200


@pytest.mark.parametrize("wrong", ["0" * 64, "", "../../etc/passwd", "%00", "é", "'"])
def test_no_picture_has_such_a_hash(folder: Path, wrong: str) -> None:
    with exploring(folder / "catalog.db") as explorer:
        assert explorer.get(f"{PLACE}?image={quote(wrong)}").status == 404
        url = next(each for each in explorer.get(PLACE).links if "/observed/" in each)
        base = url.partition("?")[0]
        for query in (f"?observation=photos&image={quote(wrong)}", "?observation=x", ""):
            assert explorer.get(base + query).status == 404


def test_detectors_of_a_class(folder: Path) -> None:
    with filterkit.open(folder / "catalog.db") as bench, exploring(folder / "catalog.db") as explorer:
        for label in ("class0", "it's <b>"):
            page = explorer.get(f"{PLACE}?label={quote(label)}").text
            assert "<b>" not in page
            part = page[page.index('id="detectors"') : page.index('id="strongest"')]
            found = re.findall(r'href="/m/(net/conv/\d)"', part)
            rows = [row for row in bench.filters("net", observation="photos") if row["top_class"] == label]
            rows.sort(key=lambda row: -row["top_class_share"])
            assert found == [row["address"] for row in rows]
            assert "selected" in part
        nothing = explorer.get(f"{PLACE}?label=nothing")
        assert "No filter responds most to this class." in nothing.text


def test_filters_that_never_fire_are_counted(folder: Path) -> None:
    with filterkit.open(folder / "catalog.db") as bench, exploring(folder / "catalog.db") as explorer:
        bench.observe("net", [folder / "photos" / "class0"], name="few", at="pre")
        silent = bench.count_filters("net", where="fires_share = 0", observation="few")
        page = explorer.get("/m/net/observations/few").text
        assert ("Every filter fires" in page) == (silent == 0)
        assert "observe a folder with a folder per class" in page


def test_inputs_of_a_network_that_takes_no_pictures(tmp_path: Path) -> None:
    weights = {"w": np.random.default_rng(0).standard_normal((3, 1, 5), np.float32)}
    model = build_model([node("Conv", "x w", "y", "conv")], {"x": ["N", 1, 50]}, weights)
    onnx.save(model, tmp_path / "signal.onnx")
    np.savez(tmp_path / "one.npz", x=np.random.default_rng(1).standard_normal((1, 1, 50), np.float32))
    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.add(tmp_path / "signal.onnx")
        bench.observe("signal", [f"npz:{tmp_path / 'one.npz'}"], name="one")
        (sha256,) = bench.observed_pictures("signal")["sha256"]
    with exploring(tmp_path / "catalog.db") as explorer:
        assert "/observed/" not in explorer.get("/m/signal/observations/one").text
        assert "What fires for it" in explorer.get(f"/m/signal/observations/one?image={sha256}").text
