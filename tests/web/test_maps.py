"""The page of feature maps: the maps of a layer, a position and its receptive field, attributions."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from explorer import Answer, Explorer, exploring
from PIL import Image

import filterkit
from filterkit.web.uploads import SAMPLES, samples

SCENE = SAMPLES / "scene.png"
LAYER = "vgg16/block3_conv1"


def finished(explorer: Explorer, path: str) -> Answer:
    """The page of a result, after its data, which waits for it; the page may be that of a progress bar."""
    explorer.get(f"{path}&format=json")
    return explorer.get(path)


def picture(explorer: Explorer, answer: Answer, name: str) -> np.ndarray:
    """The picture of a result on a page, gray or in colour."""
    [url] = {each for each in answer.links if each.endswith(f"/{name}.png")}
    return np.asarray(Image.open(io.BytesIO(explorer.get(url).body)))


@pytest.mark.parametrize("name", samples())
def test_samples_are_small_pictures(name: str) -> None:
    file = SAMPLES / f"{name}.png"
    assert file.stat().st_size < 60_000
    with Image.open(file) as sample:
        assert sample.size == (256, 256)


def test_the_page_offers_a_form_samples_and_layers(classic: Explorer) -> None:
    page = classic.get("/maps")
    assert page.status == 200
    assert 'enctype="multipart/form-data"' in page.text
    assert '<option value="classic/edge_sobel_x">' in page.text
    assert {f"/static/samples/{name}.png" for name in samples()} <= set(page.links)


def test_maps_are_those_of_the_workbench(classic: Explorer, classic_catalog: Path) -> None:
    page = finished(classic, "/maps?picture=scene&address=classic/edge_sobel_x&at=pre")
    with filterkit.open(classic_catalog) as bench:
        expected = bench.feature_maps("classic/edge_sobel_x", SCENE, at="pre")
    found = picture(classic, page, "maps")
    [values] = expected.array
    normalized = (values - values.min()) / (values.max() - values.min())
    step = -(-max(values.shape) // 96)
    side = values.shape[0] // step * step
    means = normalized[:side, :side].reshape(side // step, step, side // step, step).mean(axis=(1, 3))
    assert np.abs(found.astype(float) - 255 * means).max() <= 1
    [row] = classic.get("/maps?picture=scene&address=classic/edge_sobel_x&at=pre&format=json").json
    assert row["mean"] == pytest.approx(float(values.mean(dtype="float64")), abs=1e-6)
    assert values[row["y"], row["x"]] == values.max() == pytest.approx(row["max"])


@pytest.mark.zoo
def test_each_map_has_its_numbers_and_links(vgg16: Explorer) -> None:
    page = finished(vgg16, f"/maps?picture=scene&address={LAYER}")
    assert "256 maps of" in page.text
    assert f"/m/{LAYER}/7" in page.links
    assert f"/maps?picture=scene&target={LAYER.replace('/', '%2F')}%2F7&at=post" in page.links
    assert page.text.count('<span class="value">mean ') == 128
    second = finished(vgg16, f"/maps?picture=scene&address={LAYER}&page=2")
    assert f"/m/{LAYER}/255" in second.links
    rows = [
        *vgg16.get(f"/maps?picture=scene&address={LAYER}&format=json").json,
        *vgg16.get(f"/maps?picture=scene&address={LAYER}&page=2&format=json").json,
    ]
    assert [row["address"] for row in rows] == [f"{LAYER}/{number}" for number in range(256)]


@pytest.mark.zoo
def test_a_position_and_its_receptive_field(vgg16: Explorer, vgg16_catalog: Path) -> None:
    """By numbers, and by a click on the map, which is shown with five pixels for each value."""
    base = f"/maps?picture=scene&target={LAYER}/7"
    page = finished(vgg16, f"{base}&y=10&x=20")
    [row] = vgg16.get(f"{base}&y=10&x=20&format=json").json
    with filterkit.open(vgg16_catalog) as bench:
        expected = bench.attribute(f"{LAYER}/7", SCENE, position=(10, 20))
    assert row["position"] == [10, 20]
    assert tuple(row["box"]) == expected.box
    assert row["value"] == pytest.approx(expected.value, rel=1e-4)
    top, left, bottom, right = expected.box or ()
    assert f"rows {top} to {bottom - 1}, columns {left} to {right - 1}" in page.text
    drawn = picture(vgg16, page, "attribution")
    mark = np.array((255, 217, 0))
    assert np.abs(drawn[4 + top - 1, 4 + left : 4 + right].astype(int) - mark).max() <= 1
    assert picture(vgg16, page, "map").shape == (56, 56)
    assert 'width="280" height="280"' in page.text
    shown = "height=56&width=56&high=280&wide=280"
    for y, x in ((50, 100), (54, 104)):
        clicked = vgg16.get(f"{base}&{shown}&place.x={x}&place.y={y}&format=json").json
        assert clicked == [{**row, "seconds": clicked[0]["seconds"]}]
    [last] = vgg16.get(f"{base}&{shown}&place.x=999&place.y=279&format=json").json
    assert last["position"] == [55, 55]


@pytest.mark.zoo
def test_attributions_by_other_methods_and_of_outputs(vgg16: Explorer) -> None:
    page = finished(vgg16, f"/maps?picture=patterns&target={LAYER}/7&method=grad-cam")
    assert page.status == 200
    assert "the picture, the attribution by grad-cam" in page.text.lower()
    assert finished(vgg16, f"/maps?picture=patterns&target={LAYER}/7&method=nonsense").status == 400
    assert finished(vgg16, f"/maps?picture=patterns&target={LAYER}/7&method=smoothgrad:n=9999").status == 400


def test_a_filter_without_colours_has_an_attribution_too(classic: Explorer) -> None:
    page = finished(classic, "/maps?picture=scene&target=classic/edge_sobel_x/0")
    assert page.status == 200
    assert "receptive field" in page.text
    output = finished(classic, "/maps?picture=scene&target=classic@nothing")
    assert output.status in (400, 404)


@pytest.mark.parametrize(
    "query",
    [
        "picture=nothing&address=classic/edge_sobel_x",
        "picture=../../etc/passwd&address=classic/edge_sobel_x",
        "picture=scene&address=/etc/passwd",
        "picture=scene&address=nothing/x",
        "picture=scene&address=*/x",
        "picture=scene&address=classic",
        "picture=scene&address=classic/*",
        "picture=scene&address=classic/edge_sobel_x&at=never",
        "picture=scene&target=classic/edge_sobel_x",
        "picture=scene&target=classic/edge_sobel_x/0/0",
        "picture=scene&target=classic/edge_sobel_x/99",
        "picture=scene&target=/etc/passwd",
        "picture=scene&target=/etc/passwd@0",
        "picture=scene&target=nothing@0",
        "picture=scene&target=classic@../../x",
        "picture=scene&target=classic/edge_sobel_x/0&y=-1&x=0",
        "picture=scene&target=classic/edge_sobel_x/0&y=999999&x=0",
        "picture=scene&target=classic/edge_sobel_x/0&y=" + "9" * 5000 + "&x=0",
        "picture=scene&target=classic/edge_sobel_x/0&place.x=a&place.y=1",
    ],
)
def test_what_is_typed_leads_to_errors_of_one_line(classic: Explorer, query: str) -> None:
    page = finished(classic, f"/maps?{query}")
    assert page.status in (200, 400, 404, 500), page.text
    failed = re.search(r'<p class="error">(.+)</p>', page.text)
    assert failed is not None
    assert "unexpected" not in failed[1]
    assert "root:" not in page.text
    data = classic.get(f"/maps?{query}&format=json")
    assert data.status >= 400 or page.status == 200


def test_a_model_that_was_removed_has_no_maps(tmp_path: Path) -> None:
    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.add("classic")
    with exploring(tmp_path / "catalog.db") as explorer:
        assert explorer.get("/maps?picture=scene&address=classic/edge_sobel_x").status == 200
        with filterkit.open(tmp_path / "catalog.db") as bench:
            bench.remove("classic")
        assert explorer.get("/maps").status == 200
        assert explorer.get("/maps?picture=scene&address=classic/edge_sobel_x").status == 404


def test_the_page_of_a_filter_leads_to_its_map(classic: Explorer) -> None:
    """By way of a page where the picture is chosen."""
    assert "/maps?address=classic%2Fedge_sobel_x%2F0" in classic.get("/m/classic/edge_sobel_x/0").text
    page = classic.get("/maps?address=classic/edge_sobel_x/0").text
    assert "/maps?target=classic%2Fedge_sobel_x%2F0&amp;picture=scene" in page
    page = classic.get("/maps?address=classic/edge_sobel_x").text
    assert "/maps?address=classic%2Fedge_sobel_x&amp;picture=scene" in page
