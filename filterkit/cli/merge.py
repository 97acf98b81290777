"""``filterkit merge``: merge other catalogs into this one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from filterkit.cli.shell import Shell, command, print_error
from filterkit.errors import FilterkitError, UsageError


@command
def merge(
    shell: Shell,
    others: Annotated[
        list[Path],
        typer.Argument(metavar="OTHER.db...", help="Catalog files; the store of each is beside it."),
    ],
    rename: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OLD=NEW",
            help="Another name for a model of OTHER.db, or for an observation: MODEL/OLD=NEW; repeatable.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")
    ] = False,
) -> None:
    """Add the models, observations and files of other catalogs to this one; exit 1 if any were skipped.

    What this catalog has already is kept once. A model is merged whole or not at all, and the other catalog
    is only read.
    """
    names = _renamed(rename or [])
    if names and len(others) > 1:
        raise UsageError("--rename needs a single catalog", hint="merge the others in a command of their own")
    rows: list[Mapping[str, Any]] = []
    failed = False
    columns: tuple[str, ...] = ("model", "observation", "action", "reason")
    with shell.workbench() as bench:
        for other in others:
            try:
                merged = bench.merge(other, rename=names, dry_run=dry_run)
            except FilterkitError as error:
                if len(others) == 1:
                    raise
                print_error(error.message, error.hint)
                failed = True
                continue
            rows += merged
            shell.say(f"{other}: {_summary([row['action'] for row in merged], dry_run)}")
    shell.rows(rows, columns)
    if failed or any(row["action"] == "skipped" for row in rows):
        raise typer.Exit(1)


def _renamed(pairs: list[str]) -> dict[str, str]:
    names: dict[str, str] = {}
    for pair in pairs:
        old, equals, new = pair.partition("=")
        if not (old and equals and new) or old in names:
            raise UsageError(f"--rename cannot be '{pair}'", hint="e.g. --rename vgg16=vgg16_of_anna")
        names[old] = new
    return names


def _summary(actions: list[str], dry_run: bool) -> str:
    counts = {action: actions.count(action) for action in ("added", "joined", "equal", "skipped")}
    if not counts["added"] and not counts["joined"]:
        would = "nothing would change" if dry_run else "nothing changed"
    else:
        would = "would be " if dry_run else ""
        return would + ", ".join(f"{count} {action}" for action, count in counts.items() if count)
    return ", ".join([would, *(f"{count} {action}" for action, count in counts.items() if count)])
