"""The addresses and values of the tiles of every sheet match the catalog."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
import pytest
from onnx_graphs import build, node, random

import filterkit

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[filterkit.Workbench]:
    """A network, and two checkpoints: of the second, layer `a` is that of the first with filters in another
    order, and kernels of `b` are larger."""
    folder = tmp_path_factory.mktemp("catalog")
    nodes = [node("Conv", "x v", "a", "first"), node("Conv", "a w", "b", "second")]
    weights = {"v": random(6, 3, 3, 3), "w": random(4, 6, 3, 3, seed=1)}
    onnx.save(build(nodes, {"x": ["N", 3, "H", "W"]}, weights, outputs=["b"]), folder / "net.onnx")
    bank = random(5, 4, 3, 3, seed=2)
    changed = bank[[3, 0, 1, 4, 2]] + 0.01 * random(5, 4, 3, 3, seed=3)
    np.savez(folder / "one.npz", a=bank, b=random(3, 2, 5, 5, seed=4), line=random(3, 2, 4, seed=5))
    np.savez(folder / "two.npz", a=changed, b=random(3, 2, 5, 5, seed=6), line=random(3, 2, 4, seed=7))
    with filterkit.open(folder / "catalog.db") as opened:
        opened.add(folder / "net.onnx", preprocessing="unit")
        for name in ("one", "two"):
            opened.add(f"weights:{folder / name}.npz", name=name)
        yield opened


def tiles_of(sheet: filterkit.TileSheet) -> Iterator[tuple[str, np.ndarray]]:
    assert sheet.values is not None
    assert sheet.values.shape == sheet.tiles.shape
    assert len(sheet.addresses) == sheet.count
    tiles = sheet.values.reshape(-1, *sheet.tile_shape)
    yield from zip(sheet.addresses, tiles[: sheet.count], strict=True)


def assert_weights(bench: filterkit.Workbench, sheet: filterkit.TileSheet) -> None:
    """Every tile shows the kernel that its address names, with NaN around it where it is smaller."""
    for address, tile in tiles_of(sheet):
        kernel = bench.bank(address)[0, 0].reshape(-1)
        np.testing.assert_array_equal(tile[np.isfinite(tile)], kernel, err_msg=address)


@pytest.mark.parametrize("level", ["layer", "filter"])
@pytest.mark.parametrize("match", ["name", "assignment"])
def test_differences(bench: filterkit.Workbench, level: str, match: str) -> None:
    sheet = bench.sheet(bench.diff("one", "two", level=level, match=match))  # type: ignore[arg-type]
    assert sheet.tile_shape == (5, 5)
    assert_weights(bench, sheet)
    pairs = list(zip(sheet.addresses[::2], sheet.addresses[1::2], strict=True))
    assert all(a.startswith("one/") and b.startswith("two/") for a, b in pairs)
    assert len(pairs) == (3 if level == "layer" else 11)
    partners = {a.split("/")[2]: b.split("/")[2] for a, b in pairs if a.startswith("one/a/")}
    if match == "assignment" and level == "filter":
        assert partners == {"0": "1", "1": "2", "2": "4", "3": "0", "4": "3"}
    assert (sheet.vmin, sheet.vmax) == (None, None), "filters of several lengths have no common scale"


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("one/a/2/1", ["one/a/2/1"]),
        ("one/a/2", [f"one/a/2/{kernel}" for kernel in range(4)]),
        ("[[1, 2, 1], [0, 0, 0], [-1, -2, -1]]", [""]),
        (np.ones((4, 3, 3)), [""] * 4),
    ],
)
@pytest.mark.parametrize("limit", [3, 60])
def test_what_was_looked_for_and_found(
    bench: filterkit.Workbench, query: str | np.ndarray, first: list[str], limit: int
) -> None:
    found = bench.similar(query, invariant=("scale", "sign", "flip", "rotate"), limit=limit)
    sheet = bench.sheet(found)
    assert list(sheet.addresses[: len(first)]) == first
    shown = sheet.addresses[len(first) :: len(first)]
    assert all(address.startswith(row["address"]) for address, row in zip(shown, found, strict=True))
    for address, tile in tiles_of(sheet):
        if address:
            np.testing.assert_array_equal(tile, bench.bank(address)[0, 0], err_msg=address)


def test_maps_are_at_the_filters_that_made_them(bench: filterkit.Workbench) -> None:
    maps = bench.feature_maps("net/first/-1,::2", PIXELS, provider="cpu")
    sheet = bench.sheet(maps)
    assert sheet.addresses == tuple(f"net/first/{number}" for number in (5, 0, 2, 4))
    for (_, tile), expected in zip(tiles_of(sheet), maps.array, strict=True):
        np.testing.assert_array_equal(tile, expected)
    both = bench.feature_maps("net/second/0:2", PIXELS, provider="cpu").only("second")
    assert bench.sheet(both).addresses == ("net/second/0", "net/second/1")


def test_answers_to_a_picture_are_at_what_was_slid_over_it(bench: filterkit.Workbench) -> None:
    whole = bench.sheet(bench.convolve("net/first/1,4", PIXELS, provider="cpu"))
    assert whole.addresses == ("net/first/1", "net/first/4")
    kernel = bench.sheet(bench.convolve("net/second/1/-1", PIXELS, provider="cpu"))
    assert kernel.addresses == ("net/second/1/5",)
    colours = bench.sheet(bench.convolve("net/first/2/1", PIXELS, per_channel=True, provider="cpu"))
    assert colours.addresses == ("net/first/2/1",) * 3
    assert colours.tile_labels == ("R", "G", "B")


def test_filters_of_several_layers(bench: filterkit.Workbench) -> None:
    sheet = bench.sheet(["net/second/1", "one/a/4", "net/first/5"])
    layers = [address.rpartition("/")[0] for address in sheet.addresses]
    assert layers == ["net/second/1", "one/a/4", "net/first/5"]
    assert_weights(bench, sheet)


def test_several_layers_at_once(bench: filterkit.Workbench) -> None:
    maps = bench.feature_maps("net", PIXELS, provider="cpu", size="original")
    assert maps.makers["second"] == tuple(f"net/second/{number}" for number in range(4))
    with pytest.raises(filterkit.UsageError, match="different sizes"):
        bench.sheet(maps)
