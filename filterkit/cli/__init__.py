"""The command line. Commands parse, call the workbench and hand rows to the output."""

from __future__ import annotations


def main() -> None:
    """Run the command line on ``sys.argv``."""
    from filterkit.cli.app import run

    run()
