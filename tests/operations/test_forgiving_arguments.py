"""Python arguments: tables to draw, one picture for several, names of commands for methods."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import filterkit
from filterkit.errors import NotFoundError
from filterkit.testing import tiny_catalog

PHOTO = np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3)
LAYER = "plain/conv1"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with filterkit.open(tiny_catalog(tmp_path_factory.mktemp("tiny"))) as opened:
        yield opened


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pics"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(PHOTO).save(folder / name)
    return folder


def test_a_table_is_drawn_by_its_addresses(bench: Any) -> None:
    rows = bench.filters(LAYER, sort="-l2_norm", limit=3)
    drawn, expected = bench.sheet(rows), bench.sheet(list(rows["address"]))
    assert drawn.addresses == expected.addresses and drawn.count == 3
    for table in (bench.stats(LAYER), bench.layers(LAYER), bench.similar(f"{LAYER}/0")[["address"]]):
        assert bench.sheet(table).addresses == bench.sheet(list(table["address"])).addresses
    assert bench.sheet(rows["address"]).addresses == expected.addresses


def test_a_table_of_pairs_is_drawn_in_pairs(bench: Any) -> None:
    rows = bench.diff(LAYER, LAYER, level="filter", limit=2)[["address_a", "address_b"]]
    rows.append({"address_a": f"{LAYER}/0", "address_b": None})
    pairs = list(zip(rows["address_a"], rows["address_b"], strict=True))[:2]
    assert bench.sheet(rows).addresses == bench.sheet(pairs).addresses


def test_what_cannot_be_drawn(bench: Any) -> None:
    for table in (bench.models(), bench.filters(columns="l2_norm")):
        with pytest.raises(filterkit.UsageError, match="no addresses to draw"):
            bench.sheet(table)
    with pytest.raises(NotFoundError, match="no filters"):
        bench.sheet(bench.filters(limit=0))
    row = bench.filters()[0]
    for wrong in (bench.bank(LAYER), PHOTO, np.zeros(3), None, 3, row, [row], [3], [("a", 3)], b"x"):
        with pytest.raises(filterkit.UsageError, match="cannot draw") as caught:
            bench.sheet(wrong)
        assert "give addresses" in caught.value.hint and len(str(caught.value)) < 200


def test_a_path_is_one_picture_or_folder(bench: Any, pictures: Path) -> None:
    for images, names in (
        (str(pictures), ["a", "b"]),
        (pictures, ["a", "b"]),
        (pictures / "a.png", ["a"]),
        (Image.fromarray(PHOTO), ["picture_0"]),
    ):
        assert [maps.image_name for maps in bench.iter_feature_maps(LAYER, images)] == names


def test_attributions_take_the_same_pictures(bench: Any, pictures: Path, tmp_path: Path) -> None:
    target, options = f"{LAYER}/0", {"method": "occlusion", "size": 8}
    for images, names in (
        (str(pictures), ["a", "b"]),
        (pictures / "a.png", ["a"]),
        (Image.fromarray(PHOTO), ["picture_0"]),
    ):
        assert [each.image_name for each in bench.iter_attributions(target, images, **options)] == names
    for several in ([PHOTO, PHOTO], pictures):
        with pytest.raises(filterkit.UsageError, match="attribute takes a single picture") as caught:
            bench.attribute(target, several, **options)
        assert "iter_attributions" in caught.value.hint
    found = bench.attribute(target, PHOTO, **options)
    [(written, path)] = bench.write_attributions(found, tmp_path / "found.npy")
    assert written is found and np.array_equal(np.load(path), found.array)
    with pytest.raises(filterkit.UsageError, match="arrays, which are not drawn"):
        found.save(tmp_path / "other.npy", scale=2)


def test_several_pictures_for_feature_maps(bench: Any, pictures: Path) -> None:
    for several in ([PHOTO, PHOTO], (PHOTO,), pictures):
        with pytest.raises(filterkit.UsageError, match="takes a single picture") as caught:
            bench.feature_maps(LAYER, several)
        assert "iter_feature_maps" in caught.value.hint
    with pytest.raises(filterkit.UsageError, match="either pictures or the inputs") as caught:
        bench.feature_maps(LAYER)
    assert "filterkit maps" in caught.value.hint and "bench.feature_maps(" in caught.value.hint


def test_the_maps_of_one_picture_are_written(bench: Any, tmp_path: Path) -> None:
    maps = bench.feature_maps(LAYER, PHOTO)
    [(written, [path])] = bench.write_maps(maps, tmp_path / "maps.npy")
    assert written is maps and np.array_equal(np.load(path)[0], maps)


def test_reprs_of_arrays_and_plugins_are_short(bench: Any) -> None:
    maps = bench.feature_maps(LAYER, PHOTO)
    for each in (maps.maps, maps.values(), maps.items()):
        assert len(repr(each)) < 120 and "float32" in repr(each)
    assert next(iter(maps.values())) is maps["conv1"] and dict(maps.items()).keys() == {"conv1"}
    plugin = bench.plugins.plugins[0]
    assert repr(plugin) == f"<Plugin {plugin.name} {plugin.version}: loaded>"


def test_progress_is_a_truth_value_or_a_function() -> None:
    wrong: Any = "no"
    with pytest.raises(filterkit.UsageError, match="progress cannot be 'no'"):
        filterkit.open(progress=wrong)


def test_names_of_commands_lead_to_methods(bench: Any) -> None:
    module: Any = filterkit
    for owner, name, hint in (
        *((bench, "maps", "feature_maps"), (bench, "show", "bench.sheet"), (bench, "filter", "'filters'")),
        *((module, "add", "filterkit.open(...).add"), (module, "diff", "filterkit.open(...).diff")),
        (module, "opne", "'open'"),
    ):
        with pytest.raises(AttributeError, match=f"no attribute '{name}'") as caught:
            getattr(owner, name)
        assert hint in caught.value.__notes__[0]
    assert not hasattr(bench, "_repr_svg_") and not hasattr(module, "_anything")
