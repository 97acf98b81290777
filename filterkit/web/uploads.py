"""Pictures that were uploaded, in the memory of the server and nowhere else; and our own samples."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from time import monotonic

from filterkit.errors import NotFoundError

MOST = 4
"""How many uploaded pictures there are at a time; a further one replaces the oldest."""

SECONDS = 1800.0
"""After how many seconds without use a picture is dropped."""

SAMPLES = Path(__file__).parent / "static" / "samples"


@dataclass
class Upload:
    """A picture file in memory."""

    name: str
    content: bytes = field(repr=False)
    used: float = field(default_factory=monotonic)


class Uploads:
    """The uploaded pictures, by random names, which only those know who uploaded them."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._pictures: OrderedDict[str, Upload] = OrderedDict()

    def add(self, name: str, content: bytes) -> str:
        """Keep a picture; its name in URLs."""
        key = secrets.token_urlsafe(16)
        with self._lock:
            self._drop()
            self._pictures[key] = Upload(name, content)
            while len(self._pictures) > MOST:
                self._pictures.popitem(last=False)
        return key

    def find(self, key: str) -> Upload:
        """A picture by its name in URLs, or a sample by its own.

        Raises
        ------
        NotFoundError
            There is none, or no longer.
        """
        with self._lock:
            self._drop()
            found = self._pictures.get(key)
            if found is not None:
                found.used = monotonic()
                self._pictures.move_to_end(key)
                return found
        if key in samples():
            return Upload(key, (SAMPLES / f"{key}.png").read_bytes())
        raise NotFoundError("this picture is no longer in memory", hint="choose it again")

    def remove(self, key: str) -> None:
        """Forget a picture."""
        with self._lock:
            self._pictures.pop(key, None)

    def expire(self) -> bool:
        """Drop what was not used for some time; whether there is something left."""
        with self._lock:
            self._drop()
            return bool(self._pictures)

    def _drop(self) -> None:
        old = [key for key, each in self._pictures.items() if monotonic() - each.used > SECONDS]
        for key in old:
            del self._pictures[key]


def samples() -> tuple[str, ...]:
    """The names of the samples."""
    return tuple(sorted(path.stem for path in SAMPLES.glob("*.png")))
