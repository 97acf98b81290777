"""The pictures on pages: what they show, and how long they last."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from explorer import Explorer, exploring
from PIL import Image

import filterkit


def pictures(page: str) -> list[str]:
    return re.findall(r'(?:src|image href)="(/pictures/[^"]+)"', page)


def pixels(explorer: Explorer, url: str) -> np.ndarray:
    answer = explorer.get(url)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "image/png"
    return np.array(Image.open(io.BytesIO(answer.body)))


@pytest.mark.zoo
def test_a_kernel_has_a_pixel_per_value(vgg16: Explorer, vgg16_catalog: Path) -> None:
    url = next(each for each in pictures(vgg16.get("/m/vgg16/block3_conv1/70/12").text) if "70/12" in each)
    with filterkit.open(vgg16_catalog) as bench:
        kernel = bench.bank("vgg16/block3_conv1/70/12")[0, 0].astype(np.float64)
    expected = (kernel - kernel.min()) / (kernel.max() - kernel.min()) * 255
    assert np.abs(pixels(vgg16, url)[..., 0] - expected).max() <= 1


@pytest.mark.zoo
def test_the_kernels_of_a_filter_are_where_their_links_are(vgg16: Explorer, vgg16_catalog: Path) -> None:
    page = vgg16.get("/m/vgg16/block3_conv1/70").text
    [url] = [each for each in pictures(page) if "/kernels/" in each]
    drawn = pixels(vgg16, url).astype(int)
    high, wide = re.search(r'viewBox="0 0 (\d+) (\d+)"', page).groups()[::-1]  # type: ignore[union-attr]
    assert drawn.shape[:2] == (int(high), int(wide))
    with filterkit.open(vgg16_catalog) as bench:
        bank = bench.bank("vgg16/block3_conv1/70")[0].astype(np.float64)
    largest = np.abs(bank).max()
    links = re.findall(r'<a href="70/(\d+)".*?x="(\d+)" y="(\d+)" width="(\d+)" height="(\d+)"', page)
    assert [int(number) for number, *_ in links] == list(range(128))
    for number, *box in links:
        x, y, width, height = map(int, box)
        tile = drawn[y : y + height, x : x + width]
        tile = tile[..., 0] if tile.ndim == 3 else tile
        expected = (bank[int(number)] / largest + 1) / 2 * 255
        assert np.abs(tile[height // 6 :: height // 3, width // 6 :: width // 3] - expected).max() <= 1


def test_pictures_of_weights_are_immutable(classic: Explorer) -> None:
    url = pictures(classic.get("/m/classic/edge_sobel_x").text)[0]
    assert classic.get(url).headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert classic.get(url).body == classic.get(url).body


def test_other_weights_have_other_pictures(tmp_path: Path) -> None:
    from filterkit.testing import tiny_model

    one, two = (tiny_model(kind, tmp_path).path for kind in ("plain", "grouped"))
    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.add(one, name="net")
    with exploring(tmp_path / "catalog.db") as explorer:
        [before, *_] = pictures(explorer.get("/").text)
        assert explorer.get(before).status == 200
        with filterkit.open(tmp_path / "catalog.db") as bench:
            bench.add(two, name="net", replace=True)
        [after, *_] = pictures(explorer.get("/").text)
        assert before != after
        assert explorer.get(after).status == 200
        assert explorer.get(before).status == 404


@pytest.mark.parametrize(
    "address",
    ["classic/nothing/0", "nothing", "classic/edge_sobel_x/9", "classic/../../etc/passwd", "x.onnx"],
)
def test_pictures_of_nothing(classic: Explorer, address: str) -> None:
    url = pictures(classic.get("/m/classic/edge_sobel_x").text)[0]
    version = url.split("/")[2]
    for style in ("thumbnail", "kernels", "factors", "nothing", "chart", "exemplars"):
        answer = classic.get(f"/pictures/{version}/{style}/{address}.png")
        assert answer.status in (400, 404), style
        assert "is a file" not in answer.text


def test_pictures_are_no_larger_than_pages_need(tmp_path: Path) -> None:
    from filterkit.testing import build_model, node

    rng = np.random.default_rng(0)
    weights = rng.normal(size=(2, 1100, 1, 1)).astype(np.float32)
    model = build_model([node("Conv", "x w", "y")], {"x": (1, 1100, 4, 4)}, {"w": weights})
    (tmp_path / "wide.onnx").write_bytes(model.SerializeToString())
    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.add(tmp_path / "wide.onnx", name="wide")
        [layer] = bench.layers("wide")["address"]
    with exploring(tmp_path / "catalog.db") as explorer:
        shown = [url for url in pictures(explorer.get(f"/m/{layer}/0").text) if "/kernels/" in url]
        assert [explorer.get(url).status for url in shown] == [200]
        version = shown[0].split("/")[2]
        for style, address, status in (
            ("kernels", f"{layer}/0/0:1025", 400),
            ("kernels", f"{layer}/0", 400),
            *((style, address, 404) for style in ("kernels", "factors") for address in (layer, f"{layer}/*")),
        ):
            answer = explorer.get(f"/pictures/{version}/{style}/{address}.png")
            assert answer.status == status, (style, address)


@pytest.mark.zoo
def test_the_chart_of_a_model(vgg16: Explorer) -> None:
    [url] = [each for each in pictures(vgg16.get("/m/vgg16").text) if "/chart/" in each]
    assert pixels(vgg16, url).shape[1] > 500
    assert vgg16.get(url).headers["Cache-Control"] == "private, no-cache"
