"""``filterkit remove``: remove a model from the catalog."""

from __future__ import annotations

from typing import Annotated

import typer

from filterkit.cli.shell import Shell, command
from filterkit.cli.support.shared_options import complete_model


@command
def remove(
    shell: Shell,
    model: Annotated[str, typer.Argument(help="Model name.", autocompletion=complete_model)],
    observation: Annotated[
        str | None, typer.Option(help="Remove only this observation of the model.")
    ] = None,
) -> None:
    """Remove a model from the catalog, and its files from the store if no other model uses them."""
    with shell.workbench() as bench:
        bench.remove(model, observation=observation)
    shell.say(f"removed {model}" if observation is None else f"removed observation {observation} of {model}")
