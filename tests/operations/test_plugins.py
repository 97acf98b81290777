"""Plugins: what they add, what does not work, and names for new ones."""

from __future__ import annotations

import pytest

import filterkit


def test_one_row_per_plugin(small: filterkit.Workbench) -> None:
    rows = {row["plugin"]: row for row in small.plugin_rows()}
    assert rows["filterkit.normalizers"]["state"] == "loaded"
    assert any("minmax" in each for each in rows["filterkit.normalizers"]["adds"])
    hooked = {row["plugin"] for row in small.plugin_rows("normalizers")}
    assert "filterkit.normalizers" in hooked and "filterkit.sources" not in hooked
    with pytest.raises(filterkit.UsageError, match="no hook 'normalisers'") as caught:
        small.plugin_rows("normalisers")
    assert "normalizers" in str(caught.value.hint)


def test_a_contribution_is_described_with_its_options(small: filterkit.Workbench) -> None:
    rows = small.describe_plugin("percentile")
    assert any("low" in str(row) for row in rows)
    with pytest.raises(filterkit.FilterkitError):
        small.describe_plugin("percentil")


def test_built_in_plugins_have_no_faults(small: filterkit.Workbench) -> None:
    assert [row for row in small.plugin_faults() if row["plugin"].startswith("filterkit.")] == []


def test_a_new_plugin_may_not_take_a_name_that_is_there(small: filterkit.Workbench) -> None:
    small.check_new_plugin("entirely-new", "normalizer")
    with pytest.raises(filterkit.UsageError, match="minmax"):
        small.check_new_plugin("minmax", "normalizer")
