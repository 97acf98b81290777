"""What response metrics keep: merged in any order, written and read, and refused if it is not a summary."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from power_sums import PowerSums, checked

from filterkit.errors import PluginError
from filterkit.responses.metric_summaries import MetricSummary, from_arrays, to_arrays

MAPS = np.random.default_rng(0).normal(size=(6, 3, 4, 5)).astype(np.float32)


def summary_of(maps: np.ndarray, metric: Any = None, size: int = 2) -> MetricSummary:
    summary = MetricSummary()
    for start in range(0, len(maps), size):
        summary.add(metric or checked(PowerSums()), maps[start : start + size])
    return summary


def test_batches_and_parts_give_the_same() -> None:
    whole, merged = summary_of(MAPS, size=6), MetricSummary()
    for part in (MAPS[4:], MAPS[:1], MAPS[1:4]):
        merged.merge(checked(PowerSums()), summary_of(part))
    assert merged.pictures == whole.pictures == 6
    merged.merge(checked(PowerSums()), MetricSummary())
    for name, array in whole.arrays.items():
        np.testing.assert_allclose(merged.arrays[name], array, rtol=1e-12)
    flat = MAPS.astype(np.float64).transpose(1, 0, 2, 3).reshape(3, -1)
    np.testing.assert_allclose(whole.arrays["power_2"], (flat**2).sum(axis=1), rtol=1e-12)


def test_a_summary_does_not_keep_the_maps() -> None:
    class Last(PowerSums):
        def summarize(self, maps: Any) -> Any:
            return {"last": maps[-1, :, 0, 0]}

    maps = MAPS.copy()
    summary = summary_of(maps, checked(Last()), size=6)
    maps[:] = 0
    assert summary.arrays["last"].tolist() == MAPS[-1, :, 0, 0].tolist()


def test_an_error_changes_nothing() -> None:
    class Fragile(PowerSums):
        def merge(self, one: Any, other: Any) -> Any:
            raise RuntimeError("broken")

    summary = summary_of(MAPS[:1])
    before = {name: array.copy() for name, array in summary.arrays.items()}
    with pytest.raises(PluginError, match=r"merge.*broken"):
        summary.add(checked(Fragile()), MAPS[1:])
    assert summary.pictures == 1
    assert all(np.array_equal(summary.arrays[name], array) for name, array in before.items())


def test_written_and_read() -> None:
    summaries = {
        "filterkit-x/sums:unit=a/b,n=2": summary_of(MAPS),
        "filterkit-x/sums": summary_of(MAPS[:1]),
        "filterkit-x/none": MetricSummary(),
    }
    arrays = to_arrays(summaries)
    found = from_arrays({**arrays, "total": np.zeros(3)})
    assert found.keys() == {*summaries} - {"filterkit-x/none"}
    for spec, summary in found.items():
        assert summary.pictures == summaries[spec].pictures
        assert {name: array.tobytes() for name, array in summary.arrays.items()} == {
            name: array.tobytes() for name, array in summaries[spec].arrays.items()
        }


@pytest.mark.parametrize(
    ("changed", "array"),
    [
        ("#", np.array([0])),
        ("#", np.array([-1])),
        ("#", np.array([1.0])),
        ("#", np.array([[1]])),
        ("power_1", np.array([np.nan])),
        ("power_1", np.array([1], ">i4")),
        ("no name", np.array([1])),
    ],
)
def test_what_is_not_a_summary_is_refused(changed: str, array: np.ndarray) -> None:
    arrays = to_arrays({"a/b": summary_of(MAPS)})
    with pytest.raises(ValueError, match=r"."):
        from_arrays({**arrays, f"metric/a/b/{changed}": array})
