"""The pictures of an observation, and what fires for one of them."""

from __future__ import annotations

import hashlib
import io
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from observed import write_pictures
from onnx_graphs import build, node, random
from PIL import Image

import filterkit
from filterkit.errors import NotFoundError, UsageError


@pytest.fixture
def photos(bench: filterkit.Workbench, small_catalog: Path, tmp_path: Path) -> Path:
    """The folder of an observation of the small network."""
    bench.add(small_catalog.parent / "net.onnx")
    folder = write_pictures(tmp_path / "photos")
    bench.observe("net", [folder], name="photos")
    return folder


def test_the_pictures(bench: filterkit.Workbench, photos: Path) -> None:
    rows = bench.observed_pictures("net")
    assert rows.columns == ("image", "sha256", "label", "height", "width")
    files = {hashlib.sha256(file.read_bytes()).hexdigest(): file for file in photos.rglob("*.png")}
    assert {row["sha256"] for row in rows} == set(files)
    for row in rows:
        assert Path(row["image"]) == files[row["sha256"]]
        assert row["label"] == files[row["sha256"]].parent.name
        assert (row["width"], row["height"]) == Image.open(row["image"]).size
    assert list(bench.observed_pictures("net", observation="photos")) == list(rows)
    bench.observe("net", [photos / "class0"], name="newer")
    assert {row["label"] for row in bench.observed_pictures("net")} == {None}


def test_a_picture_is_drawn_as_it_is(bench: filterkit.Workbench, photos: Path) -> None:
    row = bench.observed_pictures("net")[0]
    png = bench.observed_picture("net", row["sha256"])
    assert np.array_equal(np.array(Image.open(io.BytesIO(png))), np.array(Image.open(row["image"])))


@pytest.mark.parametrize("size", [(500, 300), (3000, 40), (7, 4000)])
def test_large_pictures_become_small(
    size: tuple[int, int], bench: filterkit.Workbench, photos: Path, tmp_path: Path
) -> None:
    Image.new("L", size, 77).save(tmp_path / "large.png")
    bench.observe("net", [tmp_path / "large.png"], name="large", size=32)
    (row,) = bench.observed_pictures("net", observation="large")
    drawn = Image.open(io.BytesIO(bench.observed_picture("net", row["sha256"], observation="large")))
    assert max(drawn.size) <= 160
    assert np.unique(np.array(drawn)).tolist() == [77]


def test_only_a_plain_file_with_the_content_is_shown(
    bench: filterkit.Workbench, photos: Path, tmp_path: Path
) -> None:
    rows = bench.observed_pictures("net")
    file, sha256 = Path(rows[0]["image"]), rows[0]["sha256"]
    content = file.read_bytes()
    moved = NotFoundError
    file.write_bytes(Path(rows[1]["image"]).read_bytes())
    with pytest.raises(moved, match="picture 0 of observation 'photos' was moved or changed"):
        bench.observed_picture("net", sha256)
    file.unlink()
    (tmp_path / "elsewhere.png").write_bytes(content)
    file.symlink_to(tmp_path / "elsewhere.png")
    with pytest.raises(moved):
        bench.observed_picture("net", sha256)
    file.unlink()
    shutil.copy(tmp_path / "elsewhere.png", file)
    bench.observed_picture("net", sha256)


def test_copies_that_were_kept_are_shown(bench: filterkit.Workbench, photos: Path) -> None:
    bench.observe("net", [photos], name="kept", keep_pictures=True)
    shutil.rmtree(photos)
    shown = 0
    for row in bench.observed_pictures("net", observation="kept"):
        try:
            bench.observed_picture("net", row["sha256"], observation="kept")
            shown += 1
        except NotFoundError:
            pass  # no exemplar of any filter
    assert shown >= 9


@pytest.mark.parametrize("at", ["post", "pre"])
def test_what_fires_by_brute_force(at: str, bench: filterkit.Workbench, photos: Path) -> None:
    bench.observe("net", [photos], name="other", at=at)  # type: ignore[arg-type]
    pictures = bench.observed_pictures("net", observation="other")
    maps = [*bench.iter_feature_maps("net", pictures["image"], at=at)]  # type: ignore[arg-type]
    for number in (0, 7):
        expected = []
        for layer in ("conv1", "conv2"):
            every = np.concatenate(
                [each.maps[layer].reshape(len(each.maps[layer]), -1) for each in maps], axis=1
            )
            maxima = np.array([each.maps[layer].max(axis=(1, 2)) for each in maps], np.float64)
            for place in range(maxima.shape[1]):
                value = maxima[number, place]
                below = np.count_nonzero(maxima[:, place] < value) / len(maps)
                score = (value - every[place].mean()) / every[place].std()
                if value > 0:
                    expected.append((f"net/{layer}/{place}", value, below, score))
        found = bench.responding_filters("net", pictures[number]["sha256"], observation="other", top=None)
        by_address = {row["address"]: row for row in found}
        assert set(by_address) == {each[0] for each in expected}
        for address, value, below, score in expected:
            row = by_address[address]
            assert row["response_max"] == pytest.approx(value, rel=1e-5)
            assert row["z_score"] == pytest.approx(score, rel=1e-3)
            assert row["share_below"] <= below + 1e-9
            assert row["share_below"] >= below - 3 / 12  # pictures with almost the same response
        keys = [(-row["share_below"], -row["z_score"]) for row in found]
        assert keys == sorted(keys)
        first = bench.responding_filters("net", pictures[number]["sha256"], observation="other", top=2)
        assert list(first) == list(found)[:2]


def test_what_is_refused(bench: filterkit.Workbench, photos: Path, tmp_path: Path) -> None:
    sha256 = bench.observed_pictures("net")[0]["sha256"]
    for call in (bench.observed_picture, bench.responding_filters):
        for wrong in ("0" * 64, "", "../../etc/passwd", sha256.upper() + "0"):
            with pytest.raises(NotFoundError, match="has no picture with the hash"):
                call("net", wrong)
        with pytest.raises(NotFoundError, match="has no observation 'x'"):
            call("net", sha256, observation="x")
        with pytest.raises(NotFoundError, match="no model"):
            call("other", sha256)
    with pytest.raises(UsageError, match="top must be at least 1"):
        bench.responding_filters("net", sha256, top=0)
    bench.add("classic")
    with pytest.raises(NotFoundError, match="classic has not been observed"):
        bench.observed_pictures("classic")
    with pytest.raises(UsageError, match="names several models"):
        bench.observed_pictures("*")


def test_networks_that_take_no_pictures(bench: filterkit.Workbench, tmp_path: Path) -> None:
    model = build([node("Conv", "x w", "y", name="conv")], {"x": ["N", 1, 50]}, {"w": random(3, 1, 5)})
    onnx.save(model, tmp_path / "signal.onnx")
    bench.add(tmp_path / "signal.onnx")
    np.savez(tmp_path / "one.npz", x=random(1, 1, 50))
    bench.observe("signal", [f"npz:{tmp_path / 'one.npz'}"], name="one")
    (row,) = bench.observed_pictures("signal")
    assert len(bench.responding_filters("signal", row["sha256"])) <= 3
    with pytest.raises(UsageError, match="signal takes no pictures"):
        bench.observed_picture("signal", row["sha256"])
