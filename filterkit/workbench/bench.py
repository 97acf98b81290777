"""The workbench: catalog, store, plugins and sessions as one object."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from filterkit.workbench.asking import Asking
from filterkit.workbench.cataloguing import Cataloguing
from filterkit.workbench.comparing import Comparing
from filterkit.workbench.computing import Computing
from filterkit.workbench.finding import Finding
from filterkit.workbench.looking import Looking
from filterkit.workbench.measuring import Measuring
from filterkit.workbench.summarizing import Summarizing

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Progress


class Workbench(Cataloguing, Measuring, Asking, Finding, Comparing, Summarizing, Looking, Computing):
    """Everything filterkit does, over one catalog; a context manager.

    Parameters
    ----------
    catalog
        The catalog's file or URL; None takes ``FILTERKIT_CATALOG`` or ``catalog.db``. It is made by the
        first `add`.
    progress
        Called with what is being done, how much of it is done, and of how much.
    registry
        What the plugins contribute; None loads the built-in and the installed ones when first needed.
    upgrade
        False refuses a catalog of an older filterkit, instead of upgrading it when it is first used.
    """


def open(catalog: str | os.PathLike[str] | None = None, *, progress: Progress | None = None) -> Workbench:
    """Open the workbench over a catalog; see `Workbench`."""
    return Workbench(catalog, progress=progress)
