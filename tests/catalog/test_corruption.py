"""Catalog files that were truncated, or with bits flipped or pages shuffled: results or a one-line error."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from tiny_models import put, write_model

import filterkit
from filterkit.catalog import Catalog
from filterkit.errors import FilterkitError

PAGE = 4096


def cut(data: bytearray, chance: random.Random) -> bytearray:
    return data[: chance.randrange(len(data))]


def flip_bits(data: bytearray, chance: random.Random) -> bytearray:
    for _ in range(chance.randrange(1, 30)):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return data


def blank_page(data: bytearray, chance: random.Random) -> bytearray:
    start = chance.randrange(len(data) // PAGE) * PAGE
    data[start : start + PAGE] = chance.choice((bytes(PAGE), chance.randbytes(PAGE)))
    return data


def swap_pages(data: bytearray, chance: random.Random) -> bytearray:
    one, other = (chance.randrange(len(data) // PAGE) * PAGE for _ in range(2))
    data[one : one + PAGE], data[other : other + PAGE] = data[other : other + PAGE], data[one : one + PAGE]
    return data


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    location = tmp_path_factory.mktemp("whole") / "catalog.db"
    with Catalog.open(location, write=True) as catalog:
        put(catalog, write_model(location.with_name("tiny.onnx")), plugins={})
    return location


@pytest.mark.slow
@pytest.mark.parametrize("spoil", [cut, flip_bits, blank_page, swap_pages])
def test_answers_or_one_clear_line(whole: Path, tmp_path: Path, spoil: object) -> None:
    location = tmp_path / "catalog.db"
    shutil.copytree(whole.with_suffix(".store"), location.with_suffix(".store"))
    found, looks = 0, 40
    for seed in range(looks):
        for stale in tmp_path.glob("catalog.db?*"):
            stale.unlink()
        location.write_bytes(spoil(bytearray(whole.read_bytes()), random.Random(seed)))  # type: ignore[operator]
        try:
            with filterkit.open(location) as bench:
                bench.models()
                bench.layers()
                list(bench.iter_filters(where="mean > 0 and kernel_shape = '[3,3]'", sort="-mean")[1])
                bench.query("select * from filter join layer on layer.id = layer_id")
                assert bench.bank("tiny/conv1/0").shape == (1, 3, 3, 3)
        except FilterkitError as error:
            found += 1
            assert error.message
        else:
            with filterkit.open(location) as bench:
                found += bool(bench.examine()["faults"])
    assert found > looks / 4


def test_doctor_reads_all_of_it(whole: Path, tmp_path: Path) -> None:
    location = tmp_path / "catalog.db"
    data = whole.read_bytes()
    shutil.copytree(whole.with_suffix(".store"), location.with_suffix(".store"))
    with filterkit.open(whole) as bench:
        assert bench.examine()["faults"] == []
    silent = 0
    for page in range(1, len(data) // PAGE):
        location.write_bytes(data[: page * PAGE] + bytes(PAGE) + data[(page + 1) * PAGE :])
        with filterkit.open(location) as bench:
            faults = bench.examine()["faults"]
        silent += not faults
        assert all("corrupted" in each["what"] and each["do"] for each in faults), faults
    assert silent <= 1  # for an unused page
