"""Feature maps are used as arrays and mappings are, and saved."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image
from safetensors.numpy import load_file

import filterkit
from filterkit.errors import LayerNameError, UsageError
from filterkit.results.maps import FeatureMaps, SeveralLayersError

Use = Callable[[Any], Any]

USES: dict[str, Use] = {
    "shape": lambda m: m.shape,
    "ndim, dtype, size": lambda m: (m.ndim, m.dtype, m.size),
    "len": len,
    "int": lambda m: m[0],
    "negative": lambda m: m[-1],
    "slice": lambda m: m[1:3],
    "numbers": lambda m: m[[2, 0]],
    "array": lambda m: m[np.array([True, False, True, False])],
    "all axes": lambda m: m[1, 3, ::2],
    "ellipsis": lambda m: m[..., 0],
    "iteration": lambda m: np.stack([each * 2 for each in m]),
    "methods": lambda m: (m.mean(), m.max(), m.argmax(), m.std(axis=(1, 2)), m.reshape(4, -1), m.T),
    "functions": lambda m: (np.mean(m), np.max(m, axis=0), np.sqrt(m), np.percentile(m, 90)),
    "comparison": lambda m: ((m > 0).mean(), m == 0, m != 0, m <= m),
    "arithmetic": lambda m: (m + 1, 1 - m, m * m, m / 2, m**2, -m, abs(m), np.float32(2) * m, m @ m[0].T),
    "reduction": lambda m: np.add.reduce(m),
    "with arrays": lambda m: np.ones((4, 1, 1)) + m,
    "joined": lambda m: np.concatenate([m, m]),
    "DLPack": np.from_dlpack,
    "builtins": lambda m: (sum(m), [each.max() for each in reversed(list(m))]),
    "containment": lambda m: (0.0 in m, -5.0 in m),
    "pandas": lambda m: pd.DataFrame(m[0]).describe().to_numpy(),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_maps_of_one_layer_are_an_array(maps: FeatureMaps, use: Use) -> None:
    found, expected = use(maps), use(maps.array)
    assert type(found) is type(expected)
    several = expected if isinstance(expected, tuple) else (expected,)
    for one, other in zip(found if isinstance(found, tuple) else (found,), several, strict=True):
        np.testing.assert_array_equal(one, other)


def test_they_have_attributes_of_arrays_and_their_own(maps: FeatureMaps) -> None:
    assert {"mean", "reshape", "save", "labels"} <= set(dir(maps))
    for name in ("meen", "__cuda_array_interface__"):
        assert not hasattr(maps, name)
    with pytest.raises(AttributeError, match="'FeatureMaps' object has no attribute 'meen'"):
        maps.meen  # noqa: B018
    assert len({maps, maps}) == 1
    assert maps
    for copied in (copy.copy(maps), copy.deepcopy(maps), pickle.loads(pickle.dumps(maps))):
        np.testing.assert_array_equal(copied, maps.array)
    with pytest.raises(IndexError):
        maps[4]


def test_values_can_be_changed_in_place(maps: FeatureMaps, both: FeatureMaps) -> None:
    maps[maps < 1] = 0
    assert not ((maps > 0) & (maps < 1)).any()
    maps[0] = 7
    assert (maps.maps["conv1"][0] == 7).all()
    both["conv2"] = 3
    assert (both["conv2"] == 3).all()
    with pytest.raises(UsageError):
        both[0] = 1


def test_maps_of_several_layers_are_a_mapping(both: FeatureMaps) -> None:
    assert list(both) == list(both.keys()) == ["conv1", "conv2"]
    assert (len(both), "conv1" in both, "conv3" in both, 0 in both) == (2, True, False, False)
    assert {name: each.shape for name, each in both.items()} == {"conv1": (4, 40, 60), "conv2": (2, 40, 60)}
    assert dict(both)["conv2"] is both["conv2"] is both.maps["conv2"]
    assert [each.shape[0] for each in both.values()] == [4, 2]
    assert both.get("conv1") is both["conv1"]
    assert both.get("conv3") is None
    assert both._ipython_key_completions_() == ["conv1", "conv2"]


def test_one_layer_can_be_selected_by_name_as_well(maps: FeatureMaps) -> None:
    assert maps["conv1"] is maps.array
    assert "conv1" in maps
    assert {**maps}.keys() == {"conv1"}


@pytest.mark.parametrize(
    "use",
    [
        *(lambda m: m[0], lambda m: m[1:], np.asarray, np.mean, np.from_dlpack),
        *(lambda m: m > 0, lambda m: 2 * m, lambda m: m.mean(), lambda m: m.shape, lambda m: m.array),
    ],
)
def test_what_needs_one_layer_names_them(both: FeatureMaps, use: Use) -> None:
    with pytest.raises(UsageError, match="these are the maps of 2 layers: conv1, conv2") as caught:
        use(both)
    assert caught.value.hint == "select one by name, e.g. maps['conv1']"


def test_libraries_can_probe_several_layers(both: FeatureMaps) -> None:
    assert not hasattr(both, "shape")
    assert issubclass(SeveralLayersError, AttributeError)
    with pytest.raises(AttributeError, match="has no attribute 'meen'"):
        both.meen  # noqa: B018


def test_a_wrong_name_suggests_the_right_one(both: FeatureMaps) -> None:
    for wrong in ("conv3", "net/conv1"):
        with pytest.raises(LayerNameError) as caught:
            both[wrong]
        assert isinstance(caught.value, KeyError)
        assert str(caught.value) == f"there are no maps of '{wrong}'"
        assert (caught.value.hint or "").startswith("did you mean")
        assert "'conv1'" in (caught.value.hint or "")


def test_a_layer_that_could_not_run_says_why(maps: FeatureMaps) -> None:
    from dataclasses import replace

    with pytest.raises(LayerNameError) as caught:
        replace(maps, left_out={"conv9": "it is in a loop"})["conv9"]
    assert caught.value.hint == "it is in a loop"


def test_matplotlib_draws_maps(maps: FeatureMaps) -> None:
    mpl.use("Agg")
    axes = Figure().subplots(1, 3)
    np.testing.assert_array_equal(axes[0].imshow(maps[0]).get_array(), maps.array[0])
    np.testing.assert_array_equal(axes[1].imshow(maps.mean(axis=0)).get_array(), maps.array.mean(axis=0))
    counts = axes[2].hist(maps.ravel())[0]
    assert counts.sum() == maps.size


def test_saved_arrays_are_those_in_memory(maps: FeatureMaps, both: FeatureMaps, tmp_path: Path) -> None:
    maps.save(tmp_path / "deep" / "maps.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "deep" / "maps.npy"), maps)
    both.save(str(tmp_path / "both.npz"))
    both.save(tmp_path / "both.safetensors")
    with np.load(tmp_path / "both.npz") as stored:
        read = [dict(stored), load_file(tmp_path / "both.safetensors")]
    for arrays in read:
        assert arrays.keys() == both.keys()
        np.testing.assert_array_equal(arrays["conv2"], both["conv2"])
    with pytest.raises(UsageError, match="2 layers to one"):
        both.save(tmp_path / "both.npy")
    with pytest.raises(UsageError, match="not drawn"):
        maps.save(tmp_path / "maps.npy", colormap="magma")


def pixels(file: Path | io.BytesIO) -> tuple[tuple[int, int], bytes]:
    """Size and pixels of a picture that says how it was made, too."""
    with Image.open(file) as picture:
        texts = picture.text  # type: ignore[attr-defined]
        assert "net sha256:" in texts["filterkit model"] and "filterkit renderer" in texts
        return picture.size, picture.convert("RGB").tobytes()


def test_saved_pictures_are_those_of_the_workbench(
    bench: filterkit.Workbench, maps: FeatureMaps, both: FeatureMaps, tmp_path: Path
) -> None:
    maps.save(tmp_path / "maps.png", "symmetric", "mosaic", scale=2)
    by_bench = bench.render(bench.sheet(maps, "symmetric"), "mosaic", scale=2)
    assert pixels(tmp_path / "maps.png") == pixels(io.BytesIO(by_bench))
    maps.save(tmp_path / "default.svg")
    assert (tmp_path / "default.svg").read_bytes().startswith(b"<?xml")
    both.save(tmp_path / "folder")
    assert sorted(each.name for each in (tmp_path / "folder").iterdir()) == ["conv1.png", "conv2.png"]
    with Image.open(tmp_path / "folder" / "conv2.png") as picture:
        assert picture.format == "PNG"
    with pytest.raises(UsageError, match="no renderer writes"):
        maps.save(tmp_path / "maps.xyz")


def test_pictures_of_other_results_are_saved(bench: filterkit.Workbench, tmp_path: Path) -> None:
    for name, result in (
        ("near", bench.similar("net/conv1/0")),
        ("apart", bench.diff("net/conv1", "net/conv1")),
    ):
        result.save(tmp_path / name)
        assert pixels(tmp_path / f"{name}.png") == pixels(io.BytesIO(bench.render(bench.sheet(result))))


def test_the_hint_lists_files_of_arrays(
    bench: filterkit.Workbench, maps: FeatureMaps, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"no renderer writes '\.csv'") as caught:
        maps.save(tmp_path / "m.csv")
    assert str(caught.value.hint).endswith("; for arrays .npy, .npz, .safetensors")
    with pytest.raises(UsageError, match=r"no renderer writes '\.csv'") as caught:
        list(bench.write_maps([maps], tmp_path / "m.csv"))
    assert str(caught.value.hint).endswith("; for arrays .npy, .npz")
