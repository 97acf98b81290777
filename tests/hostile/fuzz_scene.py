"""What a mutation works on."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Scene:
    """A catalog's folder, with something outside that it may lead to.

    Attributes
    ----------
    folder
        Holds ``catalog.db`` and ``catalog.store``.
    outside
        A folder of somebody else.
    targets
        Files and folders there, for links; some do not exist.
    survivors
        What was put into the store and is none of filterkit's: it has to stay.
    """

    folder: Path
    outside: Path
    targets: list[Path]
    survivors: list[Path] = field(default_factory=list)

    @property
    def catalog(self) -> Path:
        """The database."""
        return self.folder / "catalog.db"

    @property
    def store(self) -> Path:
        """The folder of its models and banks."""
        return self.folder / "catalog.store"
