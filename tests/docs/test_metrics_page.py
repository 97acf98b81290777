"""The page of formulas names every metric and every column, each where it belongs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from filterkit.catalog.schema import LAYER_METRIC_COLUMNS, METRIC_COLUMNS
from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import Registry

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### `([a-z-]+)`.*?\n(.*?)(?=^##|\Z)", PAGE, re.S | re.M))
METRICS = {metric.contribution.name: metric for metric in Registry(load_plugins(discover=False)).metrics()}


def test_every_metric_has_its_section() -> None:
    assert set(SECTIONS) == set(METRICS)


@pytest.mark.parametrize("name", METRICS)
def test_every_column_has_its_row(name: str) -> None:
    rows = re.findall(r"^\| (`[a-z0-9_`, ]+`) \| [^|]", SECTIONS[name].replace("\\|", ""), re.M)
    columns = re.findall(r"`([a-z0-9_]+)`", " ".join(rows))
    assert columns == [*METRICS[name].columns, *METRICS[name].layer_columns]


def test_the_catalog_has_a_column_for_each_and_no_other() -> None:
    measured = [column for metric in METRICS.values() for column in metric.columns]
    assert sorted(measured) == sorted(METRIC_COLUMNS)
    of_layers = [column for metric in METRICS.values() for column in metric.layer_columns]
    assert sorted(of_layers) == sorted(LAYER_METRIC_COLUMNS)
