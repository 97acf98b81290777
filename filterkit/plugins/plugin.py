"""A plugin and its state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from filterkit.plugins.candidate import source_file

if TYPE_CHECKING:
    import pluggy

State = Literal["loaded", "blocked", "failed", "incompatible"]


@dataclass(eq=False, repr=False)
class Plugin:
    """A plugin, loaded or not, and its metadata.

    Attributes
    ----------
    name
        Name of the distribution, or ``distribution.entry`` if it has several plugins; for a single-file
        plugin, the name of the file.
    state
        ``"loaded"``; ``"blocked"`` by the user; ``"failed"`` during import or in a hook; ``"incompatible"``
        with this version of filterkit.
    errors
        Errors, without duplicates.
    places
        Location in its code for each of `errors`, if known.
    """

    name: str
    version: str
    distribution: str | None
    module: str
    file: str | None = None
    state: State = "loaded"
    errors: list[str] = field(default_factory=list)
    places: list[str | None] = field(default_factory=list)
    hooks: tuple[str, ...] = ()
    manager: pluggy.PluginManager | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        return f"<Plugin {self}: {self.state}>"

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def error(self) -> str | None:
        """All errors in one line."""
        return "; ".join(self.errors) or None

    @property
    def package(self) -> str:
        """The top-level name of its modules."""
        return self.module.partition(".")[0]

    @property
    def is_built_in(self) -> bool:
        """Whether it is one of filterkit's own modules."""
        return self.package == "filterkit"

    @property
    def path(self) -> str | None:
        """The source file; found lazily, without importing the plugin."""
        return self.file or source_file(self.module)
