"""What tests of the contracts of plugins share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import filterkit
from filterkit.errors import PluginContractError
from filterkit.plugins.host import PluginHost
from filterkit.plugins.registry import HOOKS, Kind, Registry
from filterkit.records import FilterBank

Make = Callable[[Kind, object], Any]


def registered(host: PluginHost, kind: Kind, inner: object) -> Any:
    """The object as a registry hands it out."""
    offered = filterkit.Contribution("mine", "For a test", lambda: inner)
    plugin = type("Plugin", (), {HOOKS[kind]: filterkit.hookimpl(_named(HOOKS[kind], offered))})()
    host.add(plugin, name="filterkit-mine", version="1.5")
    return Registry(host).create(kind, "filterkit-mine/mine")  # type: ignore[call-overload]


def _named(hook: str, offered: object) -> Callable[[Any], list[object]]:
    def contribute(self: Any) -> list[object]:
        return [offered]

    contribute.__name__ = hook
    return contribute


def contract_error(call: Callable[[], Any]) -> str:
    with pytest.raises(PluginContractError) as caught:
        call()
    assert str(caught.value).startswith("plugin filterkit-mine 1.5: ")
    return str(caught.value).removeprefix("plugin filterkit-mine 1.5: ")


BANK = FilterBank(
    node="conv",
    op="Conv",
    weights=np.ones((4, 3, 5, 5), np.float32),
    bias=np.zeros(4, np.float32),
    in_channels=6,
    out_channels=4,
    groups=2,
    kernel_shape=(5, 5),
    strides=(1, 1),
    dilations=(1, 1),
    pads=(2, 2, 2, 2),
    auto_pad="NOTSET",
    output_padding=(0, 0),
    input_tensor="x",
    weight_tensor="w",
    pre_tensor="y",
    post_tensor="y",
    pre_layout="NCHW",
    post_layout="NCHW",
    activation=None,
    source_dtype="float32",
    source_layout="OIHW",
)


class Normalizer:
    def __init__(self, result: Callable[[np.ndarray], Any]) -> None:
        self.normalize = result


VALUES = np.linspace(-1, 1, 8, dtype=np.float32).reshape(2, 1, 2, 2)
