"""Pictures of models of a catalog: their tiles, their orders and colours, and where an address is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from drawn import drawn, halved, shades_in
from numpy.typing import NDArray

import filterkit
from filterkit.errors import NotFoundError, UsageError
from filterkit.testing import build_model, node
from filterkit.web.atlas.picture import TILE, Picture, picture
from filterkit.web.atlas.styles import Style
from filterkit.workbench import Workbench


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """Models with 3 × 3, grouped and 1 × 1 kernels, with 3-D kernels, with 1-D kernels, and with none."""
    folder, rng = tmp_path_factory.mktemp("models"), np.random.default_rng(0)

    def weights(*shape: int) -> NDArray[np.float32]:
        return rng.normal(size=shape).astype(np.float32)

    flat = build_model(
        [
            node("Conv", "x a", "p", kernel_shape=[3, 3]),
            node("Conv", "p b", "q", kernel_shape=[7, 7], group=48),
            node("Conv", "q c", "y", kernel_shape=[1, 1]),
        ],
        {"x": (1, 40, 32, 32)},
        {"a": weights(48, 40, 3, 3), "b": weights(48, 1, 7, 7), "c": weights(500, 48, 1, 1)},
    )
    deep = build_model([node("Conv", "x w", "y")], {"x": (1, 3, 8, 8, 8)}, {"w": weights(6, 3, 3, 3, 3)})
    long = build_model([node("Conv", "x w", "y")], {"x": (1, 2, 99)}, {"w": weights(5, 2, 9)})
    empty = build_model([node("Conv", "x w", "y")], {"x": (1, 3, 8, 8), "w": (4, 3, 3, 3)})
    with filterkit.open(folder / "catalog.db") as made:
        for name, model in (("flat", flat), ("deep", deep), ("long", long), ("empty", empty)):
            (folder / f"{name}.onnx").write_bytes(model.SerializeToString())
            made.add(folder / f"{name}.onnx", name=name)
        yield made


def whole(made: Picture) -> NDArray[np.uint8]:
    """The picture put together from its finest tiles."""
    width, height = made.layout.width, made.layout.height
    rows = [
        np.hstack([shades_in(made.tile(made.levels, x, y)) for x in range(-(-width // TILE))])
        for y in range(-(-height // TILE))
    ]
    return np.vstack(rows)


@pytest.mark.parametrize("model", ["flat", "deep", "long"])
def test_all_tiles_are_those_of_the_picture(bench: Workbench, model: str) -> None:
    made = picture(bench, model, Style())
    assert (made.levels > 0) == (model == "flat")
    expected = drawn(made.layout, [bench.bank(each) for each in made.layers], made.raster.scales)
    assert np.array_equal(whole(made), expected)
    for z in range(made.levels):
        overview = halved(expected, made.levels - z)
        for y in range(-(-overview.shape[0] // TILE)):
            for x in range(-(-overview.shape[1] // TILE)):
                part = overview[y * TILE : (y + 1) * TILE, x * TILE : (x + 1) * TILE]
                assert np.array_equal(shades_in(made.tile(z, x, y)), part)
    assert max(shades_in(made.tile(0, 0, 0)).shape) <= TILE


def test_tiles_of_levels_that_are_not_in_memory(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = picture(bench, "flat", Style())
    monkeypatch.setattr("filterkit.web.atlas.mipmaps.MOST_PIXELS", 1)
    large = picture(bench, "flat", Style())
    assert sorted(large.overviews) == [large.levels]
    for z in range(large.levels + 1):
        assert large.tile(z, 0, 0) == usual.tile(z, 0, 0)


@pytest.mark.parametrize("style", ["weights.down.l2_norm", "signs.up.frequency", "metric.l1_norm.down.bias"])
def test_sorting_is_a_permutation(bench: Workbench, style: str) -> None:
    made = picture(bench, "flat", Style.parse(style))
    assert made.orders is not None and made.style.sort is not None
    for address, order in zip(made.layers, made.orders, strict=True):
        assert sorted(order.tolist()) == list(range(len(order)))
        rows = bench.filters(address, sort=made.style.sort)  # as the page of the layer shows them
        assert rows["filter"] == order.tolist()


def test_sorted_weights(bench: Workbench) -> None:
    made = picture(bench, "flat", Style.parse("weights.down.l2_norm"))
    assert made.orders is not None
    banks = [bench.bank(each)[order] for each, order in zip(made.layers, made.orders, strict=True)]
    assert np.array_equal(whole(made), drawn(made.layout, banks, made.raster.scales))
    x, y, width, height = made.place(f"{made.layers[0]}/7/3")
    scale = made.raster.scales[0]
    shades = shades_in(made.tile(made.levels, x // TILE, y // TILE))[y % TILE :, x % TILE :][:height, :width]
    expected = np.clip(bench.bank(f"{made.layers[0]}/7/3")[0, 0], -scale, scale)
    assert np.allclose((shades.astype(float) - 128) / 127 * scale, expected, atol=scale / 127)


def test_colours_are_stretched_per_layer(bench: Workbench) -> None:
    made = picture(bench, "flat", Style("metric", "l2_norm"))
    assert made.colours is not None and made.ranges is not None
    for address, shades, given in zip(made.layers, made.colours, made.ranges, strict=True):
        values = np.array([*bench.filters(address)["l2_norm"]])
        assert given == (values.min(), values.max())
        expected = 1 + np.rint(254 * (values - values.min()) / (values.max() - values.min()))
        assert np.array_equal(shades, expected)


def test_filters_without_a_value_are_not_drawn(bench: Workbench) -> None:
    made = picture(bench, "flat", Style("metric", "bias"))
    assert made.ranges == [None] * 3
    assert not whole(made).any()


def test_the_version_changes_with_the_pixels(bench: Workbench) -> None:
    styles = (
        "weights",
        "signs",
        "weights.up.l2_norm",
        "weights.down.l2_norm",
        "metric.l2_norm",
        "metric.mean",
    )
    versions = [picture(bench, "flat", Style.parse(style)).version for style in styles]
    assert len(set(versions)) == len(styles)
    assert versions == [picture(bench, "flat", Style.parse(style)).version for style in styles]


@pytest.mark.parametrize(
    ("address", "error"),
    [
        ("flat/*", UsageError),
        ("flat", UsageError),
        ("flat/*/3", UsageError),
        ("flat/nothing/3", NotFoundError),
        ("other/nothing/3", NotFoundError),
        ("LAYER/0:3", UsageError),
        ("LAYER/-1", UsageError),
        ("LAYER/48", NotFoundError),
        ("LAYER/47/40", NotFoundError),
        ("LAYER/47/39/1", UsageError),
        ("LAYER/99999999999999999999", UsageError),
    ],
)
def test_addresses_without_a_place(bench: Workbench, address: str, error: type[Exception]) -> None:
    made = picture(bench, "flat", Style())
    with pytest.raises(error):
        made.place(address.replace("LAYER", made.layers[0]))
    assert made.place(f"{made.layers[0]}/47/39")


def test_what_cannot_be_drawn(bench: Workbench, tmp_path: Path) -> None:
    for model in ("nothing", "empty", "fla*", "*"):
        with pytest.raises(NotFoundError):
            picture(bench, model, Style())
    for style in ("weights.up.nothing", "metric.nothing", "metric.classic_type", "metric.address"):
        with pytest.raises(UsageError):
            picture(bench, "flat", Style.parse(style))


@pytest.mark.parametrize(
    "place", [(-1, 0, 0), (99, 0, 0), (0, 1, 0), (0, 0, 1), (2, 10**9, 0), (2, 0, 10**9), (10**9, 0, 0)]
)
def test_tiles_beyond_the_picture(bench: Workbench, place: tuple[int, int, int]) -> None:
    with pytest.raises(NotFoundError):
        picture(bench, "flat", Style()).tile(*place)
