"""Statistics of layers, as rows and as a chart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_network import FIRST, SECOND

import filterkit


def test_one_row_per_layer(small: filterkit.Workbench) -> None:
    rows = small.stats("net")
    assert [row["address"] for row in rows] == ["net/conv1", "net/conv2"]
    for row, bank in zip(rows, (FIRST, SECOND), strict=True):
        assert row["log_norm"] == pytest.approx(np.log10((bank.astype(np.float64) ** 2).sum()), rel=1e-5)
        assert row["filters"] == len(bank)


def test_a_chart_is_bytes_or_a_file(small: filterkit.Workbench, tmp_path: Path) -> None:
    chart = small.stats_chart("net/conv1", "svg")
    assert chart.lstrip().startswith(b"<?xml") and b"net/conv1" in chart
    small.save_stats_chart("net/conv1", tmp_path / "deep" / "chart.svg")
    assert (tmp_path / "deep" / "chart.svg").read_bytes() == chart
    with pytest.raises(filterkit.UsageError, match="cannot write a chart as 'gif'"):
        small.stats_chart("net", "gif")
