"""Compare the rows of an observation with NumPy in double precision over all feature maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import filterkit

TOP = 3

Maps = Sequence[Any]
"""Of one layer, one array (filters, *spatial) per picture."""


def assert_rows_equal(bench: filterkit.Workbench, address: str, names: Sequence[str], maps: Maps) -> None:
    """Compare the rows of a layer with what NumPy says in double precision of all of its maps."""
    model, layer = address.split("/")
    flat = [each.reshape(len(each), -1) for each in maps]
    whole = np.concatenate(flat, axis=1).astype(np.float64)
    rows = bench.query(
        "SELECT response.* FROM response JOIN layer ON layer.id = layer_id JOIN model ON model.id = model_id "
        f"WHERE model.name = '{model}' AND layer.name = '{layer}' ORDER BY position"
    )
    assert len(rows) == len(whole)
    scale = np.sqrt((whole**2).mean(axis=1)) + 1e-30
    assert (np.abs(np.array(rows["mean"]) - whole.mean(axis=1)) / scale).max() < 1e-6
    assert (np.abs(np.array(rows["std"]) ** 2 - whole.var(axis=1)) / scale**2).max() < 1e-5
    assert rows["max"] == whole.max(axis=1).tolist()
    assert rows["min"] == whole.min(axis=1).tolist()
    assert np.abs(np.array(rows["active_share"]) - (whole > 0).mean(axis=1)).max() < 1e-6
    fires = np.mean([(each > 0).any(axis=1) for each in flat], axis=0)
    assert np.allclose(rows["fires_share"], fires, rtol=1e-12)
    for lowest in (False, True):
        sign = 1 if lowest else -1
        ends = np.stack([(sign * each).min(axis=1) for each in flat])  # the best are the smallest
        order = np.argsort(ends, axis=0, kind="stable")[:TOP].T  # of equal ones the first
        places = np.stack([(sign * each).argmin(axis=1) for each in flat])
        expected = []
        for number, best in enumerate(order):
            for picture in best:
                sizes = maps[picture].shape[1:]
                place = np.unravel_index(places[picture, number], sizes)
                expected.append((names[picture], sign * ends[picture, number], *map(int, place[-2:])))
        found = bench.exemplars(address, lowest=lowest)
        one = len(maps[0].shape) == 2
        assert [
            (row["image"], row["value"], *([row["x"]] if one else [row["y"], row["x"]])) for row in found
        ] == expected


def compare_pictures(bench: filterkit.Workbench, address: str, photos: Path, **options: Any) -> None:
    bench.observe(address, [photos], top=TOP, duplicates="keep", batch=1, **options)
    results = list(bench.iter_feature_maps(address, [photos], **options))
    model = address.partition("/")[0]
    for layer in results[0].maps:
        names = [str(Path(result.image).absolute()) for result in results]
        assert_rows_equal(bench, f"{model}/{layer}", names, [result.maps[layer] for result in results])


def compare_inputs(bench: filterkit.Workbench, folder: Path, arrays: Mapping[str, Any]) -> None:
    """`arrays` have a first axis that counts the inputs."""
    np.savez(folder / "inputs.npz", **arrays)
    [name] = bench.models()["model"]
    bench.observe(name, [f"npz:{folder / 'inputs.npz'}"], top=TOP)
    count = len(next(iter(arrays.values())))
    results = [
        bench.feature_maps(name, inputs={key: each[n : n + 1] for key, each in arrays.items()}).maps
        for n in range(count)
    ]
    names = [f"{folder / 'inputs.npz'}!{number}" for number in range(count)]
    for layer in results[0]:
        assert_rows_equal(bench, f"{name}/{layer}", names, [each[layer] for each in results])
