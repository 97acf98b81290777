"""Files of the store that were deleted or altered: detected by their hash, reported, and restored."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import chaos
import pytest
from tiny_models import put, write_model

import filterkit
from filterkit.address import parse_address
from filterkit.catalog import Catalog, weights
from filterkit.catalog.addresses import resolve
from filterkit.catalog.check import check_database, check_store
from filterkit.errors import CatalogError
from filterkit.hashing import bytes_below


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_model(tmp_path / "tiny.onnx", external=True)


@pytest.fixture
def catalog(location: Path, tiny: Path) -> Iterator[Catalog]:
    """A model with external data, the same under another name, and a second model."""
    with Catalog.open(location, write=True) as catalog:
        put(catalog, tiny)
        put(catalog, tiny, "twin")
        put(catalog, write_model(tiny.with_name("other.onnx"), seed=5), "other")
        yield catalog


def delete(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def alter(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def quiet(what: str, done: int, total: int | None) -> None: ...


def files(catalog: Catalog) -> dict[str, Path]:
    [match] = resolve(catalog, parse_address("tiny/conv1"))
    model = catalog.store.model_path(match.model["sha256"])
    banks = catalog.store.banks_path(match.model["banks_sha256"])
    return {"model": model, "external": model.with_name("weights.bin"), "banks": banks}


def test_a_sound_store(catalog: Catalog) -> None:
    told: list[int] = []
    assert check_store(catalog, lambda what, done, total: told.append(done)) == ([], [])
    assert check_database(catalog) == []
    assert told == sorted(told)
    assert len(told) == 4, "twins share their files, which are read once"
    assert bytes_below(catalog.store.folder) >= told[-1]


@pytest.mark.parametrize("harm", [delete, empty, truncate, alter])
@pytest.mark.parametrize("which", ["model", "external", "banks"])
def test_what_is_harmed_is_found_and_mended(
    catalog: Catalog, tiny: Path, which: str, harm: Callable[[Path], None]
) -> None:
    harm(files(catalog)[which])
    without, damaged = check_store(catalog, quiet)
    assert without == []
    assert [each["model"] for each in damaged] == ["tiny", "twin"]
    place = files(catalog)["model" if which == "external" else which]
    assert {each["file"] for each in damaged} == {str(place)}
    gone = harm is delete and which != "external"
    assert {each["state"] for each in damaged} == {"missing" if gone else "altered"}
    command = f"filterkit add {tiny}"
    assert damaged[0]["do"].replace("'", "") == command if gone else f"{command} --replace"
    assert damaged[1]["do"].replace(" --replace", "").endswith("--name twin")

    with Catalog.open(catalog.path, write=True) as fresh:
        result = put(fresh, tiny, replace=harm is not delete)
        assert result.status == ("restored" if harm is delete else "replaced")
        assert check_store(fresh, quiet) == ([], [])
        [match] = resolve(fresh, parse_address("tiny/conv1"))
        assert weights.bank(fresh, match).shape == (4, 3, 3, 3)


def test_rows_alone_are_no_damage(catalog: Catalog, tiny: Path) -> None:
    for path in files(catalog).values():
        path.unlink()
    without, damaged = check_store(catalog, quiet)
    assert ([each["model"] for each in without], damaged) == (["tiny", "twin"], [])
    put(catalog, tiny)
    assert check_store(catalog, quiet) == ([], [])


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser reads everything")
def test_what_cannot_be_read_is_named(catalog: Catalog) -> None:
    files(catalog)["banks"].chmod(0)
    _, damaged = check_store(catalog, quiet)
    assert {each["state"] for each in damaged} == {"unreadable"}


def test_banks_of_another_model_are_not_taken_for_these(catalog: Catalog, tiny: Path) -> None:
    wide = write_model(tiny.with_name("wide.onnx"), widths=(3, 9, 5))
    put(catalog, wide, "wide")
    [match] = resolve(catalog, parse_address("wide/conv1"))
    place = files(catalog)["banks"]
    place.write_bytes(catalog.store.banks_path(match.model["banks_sha256"]).read_bytes())
    with Catalog.open(catalog.path) as fresh, pytest.raises(CatalogError, match="corrupted") as caught:
        [match] = resolve(fresh, parse_address("tiny/conv1"))
        weights.bank(fresh, match)
    assert "--replace" in str(caught.value.hint)


def test_a_half_deleted_model_is_written_again(catalog: Catalog, tiny: Path) -> None:
    """The state after a `remove` was killed while sweeping."""
    external = files(catalog)["external"]
    with closing(sqlite3.connect(catalog.path, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("DELETE FROM model WHERE name IN ('tiny', 'twin')")
    external.unlink()
    put(catalog, tiny)
    assert external.is_file()
    assert check_store(catalog, quiet) == ([], [])


def test_rows_that_were_lost_are_noticed(catalog: Catalog) -> None:
    with closing(sqlite3.connect(catalog.path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM filter WHERE position = 2")
        connection.execute("DELETE FROM layer WHERE name = 'conv2'")
    found = check_database(catalog)
    assert any("belong to no model" in line for line in found)
    assert {"rows of tiny are missing", "rows of twin are missing"} <= {*found}


def test_a_bank_that_goes_while_it_is_looked_for(catalog: Catalog, tiny: Path) -> None:
    from filterkit.ingest.commit import remove

    with Catalog.open(catalog.path) as reader:
        [match] = resolve(reader, parse_address("other/conv1"))
        remove(catalog, "other")
        with pytest.raises(CatalogError, match="removed or replaced by another process") as caught:
            weights.bank(reader, match)
    assert caught.value.hint == "try again"
    assert chaos.in_store(catalog.path)


def test_doctor_says_of_a_store_that_is_a_link_that_alone(location: Path, tmp_path: Path) -> None:
    with Catalog.open(location, write=True) as catalog:
        put(catalog, write_model(location.with_name("tiny.onnx")), plugins={})
        store = catalog.store.folder
    store.rename(tmp_path / "elsewhere")
    store.symlink_to(tmp_path / "elsewhere")
    with filterkit.open(location) as bench:
        [fault] = bench.examine()["faults"]
    assert fault["what"] == f"{store} is a symbolic link, and links in a store are not followed"
    assert fault["do"].startswith("filterkit never creates links there: rm ")
