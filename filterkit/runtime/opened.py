"""The networks that stay open in a process, so that asking again costs nothing."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from filterkit.runtime.network import Network

MOST = 4
"""How many stay open: the last ones asked for."""

_networks: OrderedDict[tuple[Any, ...], Network] = OrderedDict()
_turn = threading.Lock()
"""Held where `_networks` changes, and not while a network opens: two threads may open the same one."""


def find(key: tuple[Any, ...]) -> Network | None:
    """The network of that key, if it is open; a key begins with the model's path."""
    with _turn:
        if key in _networks:
            _networks.move_to_end(key)
        return _networks.get(key)


def keep(key: tuple[Any, ...], network: Network) -> None:
    """Keep a network open, and drop the one that was not used for the longest time."""
    with _turn:
        _networks[key] = network
        while len(_networks) > MOST:
            _networks.popitem(last=False)


def evict(folder: Path) -> None:
    """Drop the networks whose model lies in `folder` or below: they hold its file."""
    with _turn:
        for key in [key for key in _networks if folder.resolve() in key[0].parents]:
            del _networks[key]
