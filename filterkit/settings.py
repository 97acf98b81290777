"""Where filterkit keeps its things, and the ``FILTERKIT_*`` environment variables that say so."""

from __future__ import annotations

import os
from pathlib import Path

DEFAULT_CATALOG = "catalog.db"


def catalog_location(chosen: str | os.PathLike[str] | None = None) -> str:
    """The catalog to use: the one chosen, else ``FILTERKIT_CATALOG``, else ``catalog.db`` here."""
    return os.fspath(chosen) if chosen else os.environ.get("FILTERKIT_CATALOG") or DEFAULT_CATALOG


def cache_folder() -> Path:
    """Where downloads are kept: ``FILTERKIT_CACHE``, else the user's cache folder."""
    chosen = os.environ.get("FILTERKIT_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("filterkit", appauthor=False))


def strict_plugins() -> bool:
    """Whether a broken plugin raises instead of being reported (``FILTERKIT_STRICT_PLUGINS=1``)."""
    return os.environ.get("FILTERKIT_STRICT_PLUGINS", "") not in ("", "0")


def blocked_plugins() -> frozenset[str]:
    """Plugins not to load, by name, comma-separated (``FILTERKIT_PLUGINS_BLOCKED``)."""
    names = os.environ.get("FILTERKIT_PLUGINS_BLOCKED", "").split(",")
    return frozenset(name.strip() for name in names if name.strip())
