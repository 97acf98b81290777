"""A plugin, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from filterkit.plugins.source_files import source_file

if TYPE_CHECKING:
    import pluggy

State = Literal["loaded", "blocked", "failed", "incompatible"]


@dataclass(eq=False)
class Plugin:
    """A plugin, loaded or not, and what is known of it.

    Attributes
    ----------
    name
        The distribution's name, or ``distribution.entry`` where a distribution has several plugins. Of a
        plugin that is a single file, and has no distribution, the file's.
    state
        ``"loaded"``; ``"blocked"`` by the user; ``"failed"`` to import, or in one of its hooks;
        ``"incompatible"`` with this filterkit.
    errors
        What went wrong, each said once.
    places
        Where in its code that was, for each of `errors`, where it is known.
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

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def error(self) -> str | None:
        """All that went wrong, in one line."""
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
        """The source file; looked for when asked, also where the plugin is not imported."""
        return self.file or source_file(self.module)
