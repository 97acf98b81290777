"""A response metric for tests, and how a registry hands it out."""

from __future__ import annotations

from typing import Any

import numpy as np

import filterkit
from filterkit.plugins.host import PluginHost
from filterkit.plugins.registry import Registry


class PowerSums:
    """Mean and mean square of all responses, and the largest one."""

    columns: tuple[str, ...] = ("own_mean", "own_square", "own_max")

    def summarize(self, maps: Any) -> dict[str, Any]:
        flat = maps.astype(np.float64).reshape(*maps.shape[:2], -1)
        return {
            "power_1": flat.sum(axis=(0, 2)),
            "power_2": (flat**2).sum(axis=(0, 2)),
            "largest": flat.max(axis=(0, 2)),
            "count": np.array(flat.shape[0] * flat.shape[2]),
        }

    def merge(self, one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
        merged = {name: one[name] + other[name] for name in ("power_1", "power_2")}
        largest = np.maximum(one["largest"], other["largest"])
        return {**merged, "largest": largest, "count": np.asarray(one["count"] + other["count"])}

    def values(self, summary: dict[str, Any]) -> dict[str, Any]:
        return {
            "own_mean": summary["power_1"] / summary["count"],
            "own_square": summary["power_2"] / summary["count"],
            "own_max": summary["largest"],
        }


def plugin_of(**metrics: Any) -> Any:
    """A plugin that contributes these metrics, by name; values are factories."""

    class Plugin:
        @filterkit.hookimpl
        def filterkit_response_metrics(self) -> list[filterkit.Contribution[Any]]:
            return [filterkit.Contribution(name, "For a test", made) for name, made in metrics.items()]

    return Plugin()


def checked(metric: Any) -> Any:
    """The metric in its wrapper."""
    host = PluginHost()
    host.add(plugin_of(mine=lambda: metric), name="filterkit-mine", version="1.5")
    return Registry(host).create("response-metric", "mine")
