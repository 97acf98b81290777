"""The message about models that lack a metric which a command uses: their rows would not show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from filterkit.errors import one_line

if TYPE_CHECKING:
    from filterkit.cli.shell import Shell
    from filterkit.workbench import Workbench


def say_what_is_missing(shell: Shell, bench: Workbench, address: str, question: str) -> None:
    """Name the models of `address` that lack a metric used in `question`, and how to compute it."""
    missing = bench.unmeasured(address, question) if question else []
    if missing:
        alone = len(missing) == 1
        models = missing[0] if alone else f"'{address.partition('/')[0]}'"
        lack = f"{missing[0]} lacks" if alone else f"{len(missing)} models lack"
        line = f"{lack} requested metrics: `filterkit measure {models}` computes them"
        shell.say(one_line(line))
