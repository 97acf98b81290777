"""Tiles over HTTP, of small models and of VGG16."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from drawn import drawn, halved, shades_in
from explorer import Explorer, exploring
from numpy.typing import NDArray

import filterkit
from filterkit.testing import build_model, node
from filterkit.web.atlas.tile_server import Recent


def tiles_of(explorer: Explorer, path: str) -> str:
    """The URL of the tiles of a page."""
    [found] = re.findall(r'data-tiles="([^"]+)"', explorer.get(path).text)
    return found


def test_tiles_are_immutable_pictures(classic: Explorer) -> None:
    tiles = tiles_of(classic, "/atlas/classic")
    answer = classic.get(f"{tiles}/0/0/0.png")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "image/png"
    assert "immutable" in answer.headers["Cache-Control"]
    plan = classic.get(f"{tiles}/plan.json").json
    assert shades_in(answer.body).shape == (plan["height"], plan["width"])
    assert [layer["filters"] for layer in plan["layers"]] == [1] * 13


def test_what_is_not_there(classic: Explorer) -> None:
    tiles = tiles_of(classic, "/atlas/classic")
    _, _, model, version, style = tiles.split("/")
    big = "9" * 9
    for path in (
        f"/tiles/{model}/{version}/{style}/1/0/0.png",
        f"/tiles/{model}/{version}/{style}/0/1/0.png",
        f"/tiles/{model}/{version}/{style}/0/0/{big}.png",
        f"/tiles/{model}/{version}/{style}/{big}/{big}/{big}.png",
        f"/tiles/{model}/{version}/{style}/{'9' * 5000}/0/0.png",
        f"/tiles/{model}/{version}/{style}/-1/0/0.png",
        f"/tiles/{model}/{version}/{style}/0/0/0.jpg",
        f"/tiles/{model}/{'0' * 16}/{style}/0/0/0.png",
        f"/tiles/{model}/{'0' * 16}/{style}/plan.json",
        f"/tiles/{model}/{version}/signs/0/0/0.png",
        f"/tiles/{model}/{version}/nothing/0/0/0.png",
        f"/tiles/nothing/{version}/{style}/0/0/0.png",
        f"/tiles/*/{version}/{style}/0/0/0.png",
        f"/tiles/{model}/{version}/{style}/..%2f..%2fcatalog.db",
    ):
        assert classic.get(path).status == 404, path
    assert classic.get(f"{tiles}/0/0/0.png", Cookie=None).status == 403


def test_a_replaced_model_has_other_tiles(tmp_path: Path) -> None:
    def add(seed: int) -> None:
        weights = np.random.default_rng(seed).normal(size=(4, 3, 3, 3)).astype(np.float32)
        model = build_model([node("Conv", "x w", "y")], {"x": (1, 3, 8, 8)}, {"w": weights})
        (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
        with filterkit.open(tmp_path / "catalog.db") as bench:
            bench.add(tmp_path / "m.onnx", name="m", replace=True)

    add(0)
    with exploring(tmp_path / "catalog.db") as explorer:
        before = tiles_of(explorer, "/atlas/m")
        sorted_before = tiles_of(explorer, "/atlas/m?sort=mean")
        first = explorer.get(f"{before}/0/0/0.png").body
        add(1)
        after = tiles_of(explorer, "/atlas/m")
        assert after != before
        assert explorer.get(f"{after}/0/0/0.png").body != first
        assert explorer.get(f"{sorted_before}/0/0/0.png").status == 404  # never asked for, so not in memory
        error = explorer.get(f"{sorted_before}/plan.json?format=json")
        assert error.json == {"error": "the model was changed", "hint": "reload the page"}


def test_only_recent_values_stay_in_memory() -> None:
    recent: Recent[str] = Recent(100)
    for name in "abc":
        recent.put((name,), name, 40)
    assert [recent.get((name,)) for name in "abc"] == [None, "b", "c"]
    recent.get(("b",))
    recent.put(("d",), "d", 40)
    assert [recent.get((name,)) for name in "bcd"] == ["b", None, "d"]
    recent.put(("large",), "large", 10**9)
    assert [recent.get((name,)) for name in ("b", "d", "large")] == [None, None, "large"]
    recent.put(("small",), "small", 1)
    assert recent.get(("large",)) is None


def assembled(explorer: Explorer, tiles: str, size: tuple[int, int], z: int) -> NDArray[np.uint8]:
    """A level of the picture, from tiles fetched by six at once."""
    height, width = (-(-side // 256) for side in size)
    places = [(x, y) for y in range(height) for x in range(width)]
    with ThreadPoolExecutor(6) as executor:
        answers = executor.map(lambda place: explorer.get(f"{tiles}/{z}/{place[0]}/{place[1]}.png"), places)
        parts = [shades_in(answer.body) for answer in answers]
    return np.vstack([np.hstack(parts[row * width : (row + 1) * width]) for row in range(height)])


@pytest.mark.zoo
def test_all_overviews_of_vgg16_equal_brute_force(vgg16: Explorer, vgg16_catalog: Path) -> None:
    tiles = tiles_of(vgg16, "/atlas/vgg16")
    plan = vgg16.get(f"{tiles}/plan.json").json
    whole = assembled(vgg16, tiles, (plan["height"], plan["width"]), plan["levels"])
    with filterkit.open(vgg16_catalog) as bench:
        rng = np.random.default_rng(0)
        kernels = 0
        for _ in range(1000):  # decoded as the plan says
            layer = plan["layers"][rng.integers(len(plan["layers"]))]
            slot, kernel = int(rng.integers(layer["filters"])), int(rng.integers(layer["kernels"]))
            x = layer["x"] + slot % layer["across"] * layer["block"][0]
            x += kernel % layer["columns"] * layer["cell"][0]
            y = layer["y"] + slot // layer["across"] * layer["block"][1]
            y += kernel // layer["columns"] * layer["cell"][1]
            weights = bench.bank(f"{layer['address']}/{slot}/{kernel}")[0, 0]
            scale = layer["scale"]
            decoded = (whole[y : y + 3, x : x + 3].astype(float) - 128) / 127 * scale
            assert np.abs(decoded - np.clip(weights, -scale, scale)).max() <= scale / 127
            kernels += 1
        assert kernels == 1000
    used = sum(
        each["filters"] * each["kernels"] * each["cell"][0] * each["cell"][1] for each in plan["layers"]
    )
    assert sum(each["filters"] * each["kernels"] for each in plan["layers"]) == 1_634_496
    assert used > 0.85 * plan["width"] * plan["height"]
    for z in range(plan["levels"]):
        expected = halved(whole, plan["levels"] - z)
        assert np.array_equal(assembled(vgg16, tiles, expected.shape, z), expected)


@pytest.mark.zoo
def test_every_kernel_of_a_layer_of_vgg16(vgg16: Explorer, vgg16_catalog: Path) -> None:
    from filterkit.web.atlas.picture import picture
    from filterkit.web.atlas.styles import Style

    with filterkit.open(vgg16_catalog) as bench:
        made = picture(bench, "vgg16", Style())
        banks = [bench.bank(each) if number < 3 else None for number, each in enumerate(made.layers)]
        shown = [bank if bank is not None else np.zeros((0, 0, 1, 1)) for bank in banks]
        expected = drawn(made.layout, shown, made.raster.scales)
    tiles = tiles_of(vgg16, "/atlas/vgg16")
    x, y, width, height = made.layout.layers[2].box
    whole = assembled(vgg16, tiles, (made.layout.height, made.layout.width), made.levels)
    assert np.array_equal(whole[: y + height, : x + width], expected[: y + height, : x + width])
