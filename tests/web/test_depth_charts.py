"""Charts over depth: points where the values are, gaps where there are none."""

from __future__ import annotations

import re
from typing import Any

from filterkit.web.depth_charts import HEIGHT, INSET, MOST_POINTS, WIDTH, depth_charts, same_everywhere


def rows(*values: Any) -> list[dict[str, Any]]:
    return [
        {"address": f"net/l{number}", "layer": f"l{number}", "m": value}
        for number, value in enumerate(values)
    ]


def test_points_are_links_at_their_values() -> None:
    [chart] = depth_charts(rows(0.0, 1.0, 0.5), ["m"])
    points = [(each["x"], each["y"]) for each in chart["points"]]
    assert points == [(INSET, HEIGHT - INSET), (WIDTH / 2, INSET), (WIDTH - INSET, HEIGHT / 2)]
    assert [each["href"] for each in chart["points"]] == ["/m/net/l0", "/m/net/l1", "/m/net/l2"]
    assert chart["points"][2]["title"] == "l2: m 0.5"
    assert (chart["low"], chart["high"], chart["first"], chart["last"]) == (0, 1, "l0", "l2")


def test_a_missing_value_is_a_gap() -> None:
    [chart] = depth_charts(rows(1, None, 2, 3), ["m"])
    assert re.findall("[ML]", chart["path"]) == ["M", "M", "L"]
    assert len(chart["points"]) == 3


def test_metrics_that_do_not_differ_have_no_chart() -> None:
    assert depth_charts(rows(2, 2, None), ["m"]) == depth_charts(rows(None), ["m"]) == []
    assert same_everywhere(rows(2, 2, None), ["m"]) == {"m": 2}
    assert same_everywhere(rows(1, 2), ["m"]) == same_everywhere(rows(None), ["m"]) == {}


def test_deeper_networks_have_lines_without_points() -> None:
    for count in (MOST_POINTS, MOST_POINTS + 1):
        [chart] = depth_charts(rows(*range(count)), ["m"])
        assert len(chart["points"]) == (count if count <= MOST_POINTS else 0)
        assert chart["path"].count("L") == count - 1
