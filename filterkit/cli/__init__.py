"""The command line. Commands parse arguments, call the workbench and pass rows to the output format."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run the command line on ``sys.argv``."""
    # Start-up creates a hundred thousand long-lived objects; collecting garbage among them would take a
    # tenth of the time.
    gc.set_threshold(200_000)
    try:
        from filterkit.cli.app import run

        run()
    except KeyboardInterrupt:  # before or after a command runs, e.g. while modules are imported
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    finally:
        # Skip the collection that Python does at exit, when all memory is freed anyway.
        gc.disable()
