"""Histograms of responses: every picture is in the bar of its maximum."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from observed import write_pictures

import filterkit
from filterkit.errors import NotFoundError, UsageError


def maxima(small: filterkit.Workbench, folder: Path, layer: str, at: str) -> np.ndarray:
    files = sorted(folder.rglob("*.png"))
    return np.array(
        [
            maps.maps[layer].max(axis=(1, 2))
            for maps in small.iter_feature_maps(f"net/{layer}", files, at=at)  # type: ignore[arg-type]
        ]
    )


@pytest.mark.parametrize(("layer", "at"), [("conv1", "post"), ("conv2", "post"), ("conv1", "pre")])
def test_bars_have_the_pictures_with_such_a_maximum(
    layer: str, at: str, bench: filterkit.Workbench, small: filterkit.Workbench, tmp_path: Path
) -> None:
    folder = write_pictures(tmp_path / "photos")
    bench.add(small.path.parent / "net.onnx")
    bench.observe("net", [folder], at=at)  # type: ignore[arg-type]
    expected = maxima(small, folder, layer, at)
    for number in range(expected.shape[1]):
        rows = bench.response_histogram(f"net/{layer}/{number}")
        assert sum(row["pictures"] for row in rows) == 12
        for row in rows:
            low, high = row["low"], row["high"]
            inside = (low <= expected[:, number]) & (expected[:, number] < high)
            if high <= 0 < -low:
                inside = (low < expected[:, number]) & (expected[:, number] <= high)
            assert inside.sum() == row["pictures"], row


def test_what_is_refused(bench: filterkit.Workbench, small: filterkit.Workbench, tmp_path: Path) -> None:
    bench.add(small.path.parent / "net.onnx")
    with pytest.raises(NotFoundError, match="net has not been observed"):
        bench.response_histogram("net/conv1/0")
    bench.observe("net", [write_pictures(tmp_path / "photos")], name="photos")
    for address in ("net/conv1", "net/conv1/0/0", "net/conv1/0:2"):
        with pytest.raises(UsageError, match="shows the responses of one filter"):
            bench.response_histogram(address)
    with pytest.raises(NotFoundError, match="has no observation 'other'"):
        bench.response_histogram("net/conv1/0", observation="other")
