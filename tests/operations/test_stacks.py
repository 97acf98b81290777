"""Arrays that grow on disk equal those that NumPy would have written at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from filterkit.errors import UsageError
from filterkit.operations.stacks import stacking


@pytest.mark.parametrize("count", [1, 2, 1000])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_stacks_hold_what_was_added(tmp_path: Path, count: int, dtype: type) -> None:
    random = np.random.default_rng(0)
    wide = random.normal(size=(count, 3, 4, 5)).astype(dtype)
    long = random.normal(size=(count, 2, 7)).astype(dtype)
    with stacking(tmp_path / "new" / "maps.npz") as add:
        for each, other in zip(wide, long, strict=True):
            add({"wide": each.transpose(0, 2, 1), "long": other})
    with np.load(tmp_path / "new" / "maps.npz") as stored:
        assert stored.files == ["wide", "long"]
        np.testing.assert_array_equal(stored["wide"], wide.swapaxes(2, 3))
        np.testing.assert_array_equal(stored["long"], long)
    with stacking(tmp_path / "long.npy") as add:
        for other in long:
            add({"long": other})
    np.testing.assert_array_equal(np.load(tmp_path / "long.npy", mmap_mode="r"), long)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["long.npy", "new"]


def test_what_does_not_fit_leaves_nothing_behind(tmp_path: Path) -> None:
    def write(name: str, *pictures: dict[str, tuple[int, ...]]) -> None:
        with stacking(tmp_path / name) as add:
            for shapes in pictures:
                add({layer: np.zeros(shape, np.float32) for layer, shape in shapes.items()})

    with pytest.raises(UsageError, match="the maps of a differ in size"):
        write("maps.npz", {"a": (2, 3)}, {"a": (2, 4)})
    with pytest.raises(UsageError, match=r"cannot write 2 layers to one \.npy"):
        write("maps.npy", {"a": (2, 3), "b": (2, 3)})
    with pytest.raises(UsageError, match="different branches"):
        write("maps.npz", {"a": (2, 3)}, {"b": (2, 3)})
    with pytest.raises(KeyboardInterrupt), stacking(tmp_path / "maps.npz") as add:
        add({"a": np.zeros((2, 3), np.float32)})
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_there_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "maps.npy"
    np.save(path, np.arange(3))
    with pytest.raises(KeyboardInterrupt), stacking(path) as add:
        add({"a": np.zeros(3, np.float32)})
        raise KeyboardInterrupt
    np.testing.assert_array_equal(np.load(path), np.arange(3))
