"""Files of an observation: appended, replaced atomically, and refused where they are not what was written."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from filterkit.catalog.observation_files import MAX, MEAN, ObservationFiles
from filterkit.catalog.store import Store
from filterkit.errors import CatalogError
from filterkit.responses.response_network import LayerResponses
from filterkit.responses.statistics import Seen, Statistics

FOLDER = "0" * 64


def added(state: Statistics, values: list[float]) -> np.ndarray:
    """Adds one picture per value to a state of three filters."""
    flat = np.repeat(np.array(values, np.float32)[:, None], 3, axis=1)
    places = np.zeros(flat.shape, np.int64)
    numbers = np.arange(state.pictures, state.pictures + len(values))
    state.add(
        LayerResponses(flat, places, flat, places, flat, flat**2, flat, (2, 2)), Seen(numbers, -2 - numbers)
    )
    return np.stack([flat, flat], axis=1)


@pytest.fixture
def files(tmp_path: Path) -> ObservationFiles:
    return ObservationFiles(Store(tmp_path / "store"), FOLDER)


def test_written_and_read(files: ObservationFiles, tmp_path: Path) -> None:
    assert files.state(5, 3, 2) is None
    state = Statistics(3, 2)
    files.save(5, state, added(state, [1, 2]))
    files.save(5, state, added(state, [3]))
    found = files.state(5, 3, 2)
    assert found is not None
    assert {name: each.tobytes() for name, each in found.to_arrays().items()} == {
        name: each.tobytes() for name, each in state.to_arrays().items()
    }
    responses = files.responses(5, 3, 3)
    assert responses[:, MEAN, 0].tolist() == responses[:, MAX, 2].tolist() == [1, 2, 3]
    folder = tmp_path / "store" / "observations" / FOLDER
    assert sorted(path.name for path in folder.iterdir()) == ["5.f32", "5.safetensors"]


def test_what_an_interrupted_run_appended_is_overwritten(files: ObservationFiles, tmp_path: Path) -> None:
    state = Statistics(3, 2)
    files.save(0, state, added(state, [1]))
    path = tmp_path / "store" / "observations" / FOLDER / "0.f32"
    path.write_bytes(path.read_bytes() + b"\1" * 1000)
    (path.parent / "0.part").write_bytes(b"half of a state")
    files.save(0, state, added(state, [2]))
    assert path.stat().st_size == 2 * 2 * 3 * 4
    assert files.responses(0, 3, 2)[:, MEAN, 0].tolist() == [1, 2]


def test_means_are_read_some_at_a_time(files: ObservationFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("filterkit.catalog.observation_files.TOGETHER", 2)
    state = Statistics(3, 2)
    files.save(0, state, added(state, [1, 2, 3, 4, 5]))
    parts = [each[:, 0].tolist() for each in files.means(0, 3, 5)]
    assert parts == [[1, 2], [3, 4], [5]]
    assert list(files.means(0, 3, 0)) == []


def test_other_content_is_refused(files: ObservationFiles, tmp_path: Path) -> None:
    state = Statistics(3, 2)
    files.save(0, state, added(state, [1]))
    folder = tmp_path / "store" / "observations" / FOLDER
    for filters, top in ((4, 2), (3, 1)):
        with pytest.raises(CatalogError, match="missing or corrupted"):
            files.state(0, filters, top)
    with pytest.raises(CatalogError, match="missing or corrupted"):
        files.responses(0, 3, 2)
    for content in (b"", b"x" * 100, (folder / "0.safetensors").read_bytes()[:-1]):
        (folder / "0.safetensors").write_bytes(content)
        with pytest.raises(CatalogError, match="missing or corrupted"):
            files.state(0, 3, 2)


@pytest.mark.skipif(os.name == "nt", reason="needs links")
@pytest.mark.parametrize("name", ["0.f32", "0.part", "0.safetensors", ""])
def test_links_are_not_followed(files: ObservationFiles, tmp_path: Path, name: str) -> None:
    target = tmp_path / "target"
    target.mkdir() if not name else target.write_bytes(b"mine")
    folder = tmp_path / "store" / "observations" / FOLDER
    if name:
        folder.mkdir(parents=True)
        (folder / name).symlink_to(target)
    else:
        folder.parent.mkdir(parents=True)
        folder.symlink_to(target)
    state = Statistics(3, 2)
    with pytest.raises(CatalogError, match="symbolic link"):
        files.save(0, state, added(state, [1]))
    assert (list(target.iterdir()) if not name else target.read_bytes()) == ([] if not name else b"mine")


def test_a_folder_must_be_a_hash(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="not a SHA-256"):
        ObservationFiles(Store(tmp_path), "../..").state(0, 1, 1)
