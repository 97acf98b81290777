"""``filterkit remove``: take a model out of the catalog."""

from __future__ import annotations

from typing import Annotated

import typer

from filterkit.cli.shell import Shell, command
from filterkit.cli.support.completion import complete_model


@command
def remove(
    shell: Shell,
    model: Annotated[str, typer.Argument(help="Name in the catalog.", autocompletion=complete_model)],
) -> None:
    """Remove a model, and from the store what no other model needs."""
    with shell.workbench() as bench:
        bench.remove(model)
    shell.say(f"removed {model}")
