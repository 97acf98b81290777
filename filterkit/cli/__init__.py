"""The command line. Commands parse, call the workbench and hand rows to the output."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run the command line on ``sys.argv``."""
    # Starting makes a hundred thousand objects that stay; to search them for garbage takes a tenth of it.
    gc.set_threshold(200_000)
    try:
        from filterkit.cli.app import run

        run()
    except KeyboardInterrupt:  # before a command runs, or after it: while modules are imported, say
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    finally:
        # Nor at the end, when all memory goes back anyway: Python would search once more.
        gc.disable()
