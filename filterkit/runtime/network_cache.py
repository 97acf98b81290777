"""The networks and gradient graphs that a session has open."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

MOST = 4
"""Maximum number of open networks; the least recently used are closed."""


class OpenNetworks:
    """Open networks by a key whose first item is the path of the model; may be used by several threads."""

    def __init__(self) -> None:
        self._networks: OrderedDict[tuple[Any, ...], Any] = OrderedDict()
        # Not held while a network is opened, so two threads may open the same one.
        self._lock = threading.Lock()

    def find(self, key: tuple[Any, ...]) -> Any:
        """What is open under a key, or None."""
        with self._lock:
            if key in self._networks:
                self._networks.move_to_end(key)
            return self._networks.get(key)

    def add(self, key: tuple[Any, ...], network: Any) -> None:
        """Keep a network open, and close the least recently used one."""
        with self._lock:
            self._networks[key] = network
            while len(self._networks) > MOST:
                self._networks.popitem(last=False)
