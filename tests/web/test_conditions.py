"""Conditions as links: what they select is counted in a real catalog."""

from __future__ import annotations

from pathlib import Path

import pytest

import filterkit
from filterkit.errors import UsageError
from filterkit.web.conditions import added, chosen, facet_groups, histogram_bars, narrowed, removed


def test_parts_are_added_once_and_taken_away_again() -> None:
    assert added(None, "dead = 0") == added("  ", "dead = 0") == "dead = 0"
    assert added("l2_norm > 1", "dead = 0") == "l2_norm > 1 and dead = 0"
    assert added("l2_norm > 1 and dead = 0", "dead = 0") == "l2_norm > 1 and dead = 0"
    assert removed("l2_norm > 1 and dead = 0", "dead = 0") == "l2_norm > 1"
    assert removed("dead = 0", "dead = 0") == ""
    between = "l2_norm between 1 and 2 and dead = 0"
    assert [each["condition"] for each in chosen(between)] == ["l2_norm between 1 and 2", "dead = 0"]
    assert [each["where"] for each in chosen(between)] == ["dead = 0", "l2_norm between 1 and 2"]


def test_a_condition_with_or_stays_together() -> None:
    either = "dead = 1 or l2_norm > 1"
    assert added(either, "bias > 0") == f"({either}) and bias > 0"
    assert removed(added(either, "bias > 0"), "bias > 0") == f"({either})"
    assert added("label = 'this or that'", "bias > 0") == "label = 'this or that' and bias > 0"


def test_a_range_replaces_the_range_of_its_column() -> None:
    where = narrowed("dead = 0", "l2_norm", 0.5, 1.0)
    assert where == "dead = 0 and l2_norm >= 0.5 and l2_norm < 1.0"
    assert narrowed(where, "l2_norm", 0.6, 0.7) == "dead = 0 and l2_norm >= 0.6 and l2_norm < 0.7"
    assert narrowed(None, "macs", 3, 3) == "macs = 3"


def test_what_cannot_be_read_is_an_error() -> None:
    with pytest.raises(UsageError, match="cannot read"):
        added("l2_norm > §", "dead = 0")


def test_the_links_of_facets_and_bars_select_what_they_count(classic_catalog: Path) -> None:
    with filterkit.open(classic_catalog) as bench:
        for where in (None, "l2_norm > 1", "classic_type = 'edge' or dead = 1"):
            for group in facet_groups(where, bench.facets("classic", where=where)):
                for each in group["values"]:
                    assert bench.count_filters("classic", where=each["where"] or None) == each["filters"]
            found = bench.histogram("classic", "l2_norm", where=where)
            for bar in histogram_bars(where, found, (320, 60)):
                assert bench.count_filters("classic", where=bar["where"]) == bar["filters"]
                assert 0 <= bar["y"] <= 60 and bar["y"] + bar["height"] == pytest.approx(60, abs=0.2)
        [on] = [
            each
            for group in facet_groups("classic_type = 'edge'", bench.facets(where="classic_type = 'edge'"))
            for each in group["values"]
            if each["is_on"]
        ]
        assert (on["value"], on["where"]) == ("edge", "")
