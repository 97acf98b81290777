"""The workbench: filterkit's Python API, which the command line calls too."""

from filterkit.workbench.bench import Workbench, open
from filterkit.workbench.neighbours import Neighbours
from filterkit.workbench.views import FeatureMaps, Rows, Sheet

__all__ = ["FeatureMaps", "Neighbours", "Rows", "Sheet", "Workbench", "open"]
