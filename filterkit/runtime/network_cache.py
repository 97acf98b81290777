"""Cache of the networks that are open in this process."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from filterkit.runtime.network import Network

MOST = 4
"""Maximum number of open networks; the least recently used are closed."""

_networks: OrderedDict[tuple[Any, ...], Network] = OrderedDict()
_lock = threading.Lock()
"""Guards `_networks`; not held while a network is opened, so two threads may open the same one."""


def find(key: tuple[Any, ...]) -> Network | None:
    """The open network for a key, or None; the first item of a key is the path of the model."""
    with _lock:
        if key in _networks:
            _networks.move_to_end(key)
        return _networks.get(key)


def add(key: tuple[Any, ...], network: Network) -> None:
    """Keep a network open, and close the least recently used one."""
    with _lock:
        _networks[key] = network
        while len(_networks) > MOST:
            _networks.popitem(last=False)


def evict(folder: Path) -> None:
    """Close the networks whose model is in or below `folder`, as they hold its file."""
    with _lock:
        for key in [key for key in _networks if folder.resolve() in key[0].parents]:
            del _networks[key]
