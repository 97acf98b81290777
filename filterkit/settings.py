"""Default locations and limits, and the ``FILTERKIT_*`` environment variables."""

from __future__ import annotations

import os
from pathlib import Path

from filterkit.errors import UsageError

DEFAULT_CATALOG = "catalog.db"

ADD_SECONDS = 600.0
"""Default limit on the CPU time for adding a model."""
ADD_MEMORY = 8 << 30
"""Default limit on the memory for adding a model, in bytes beyond the model's own size."""


def catalog_location(chosen: str | os.PathLike[str] | None = None) -> str:
    """The catalog to use: the chosen one, else ``FILTERKIT_CATALOG``, else ``catalog.db``."""
    return os.fspath(chosen) if chosen else os.environ.get("FILTERKIT_CATALOG") or DEFAULT_CATALOG


def cache_folder() -> Path:
    """Where downloads are cached: ``FILTERKIT_CACHE``, else the user's cache folder."""
    chosen = _folder("FILTERKIT_CACHE")
    if chosen:
        return chosen
    import platformdirs

    return Path(platformdirs.user_cache_dir("filterkit", appauthor=False))


def strict_plugins() -> bool:
    """Whether a broken plugin raises instead of being reported (``FILTERKIT_STRICT_PLUGINS=1``)."""
    return _switched_on("FILTERKIT_STRICT_PLUGINS")


def trace_plugins() -> bool:
    """Whether each call of a plugin is logged to stderr (``FILTERKIT_TRACE_PLUGINS=1``)."""
    return _switched_on("FILTERKIT_TRACE_PLUGINS")


def blocked_plugins() -> frozenset[str]:
    """Names of plugins not to load, from a comma-separated list (``FILTERKIT_PLUGINS_BLOCKED``)."""
    return _names("FILTERKIT_PLUGINS_BLOCKED")


def only_plugins() -> frozenset[str]:
    """The only plugins to load besides the built-in ones (``FILTERKIT_PLUGINS_ONLY``); empty for all."""
    return _names("FILTERKIT_PLUGINS_ONLY")


def plugins_folder() -> Path | None:
    """Folder of single-file plugins (``FILTERKIT_PLUGINS_DIR``)."""
    return _folder("FILTERKIT_PLUGINS_DIR")


def plugin_timeout() -> float:
    """Seconds after which a plugin that has not returned from an import or hook is reported; 0 for never.

    Raises
    ------
    UsageError
        ``FILTERKIT_PLUGINS_TIMEOUT`` is not a valid number of seconds.
    """
    text = os.environ.get("FILTERKIT_PLUGINS_TIMEOUT") or "10"
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86_400:
        raise UsageError(
            f"FILTERKIT_PLUGINS_TIMEOUT cannot be '{text}'",
            hint="use a number of seconds up to 86400, or 0 for no limit",
        )
    return seconds


def _folder(variable: str) -> Path | None:
    chosen = os.environ.get(variable)
    try:
        return Path(chosen).expanduser() if chosen else None
    except RuntimeError as error:
        raise UsageError(f"{variable} cannot be '{chosen}'", hint="there is no such home folder") from error


def _switched_on(variable: str) -> bool:
    return os.environ.get(variable, "") not in ("", "0")


def _names(variable: str) -> frozenset[str]:
    names = os.environ.get(variable, "").split(",")
    return frozenset(name.strip() for name in names if name.strip())
