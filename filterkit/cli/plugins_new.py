"""``filterkit plugins new``: the package of a plugin that works, to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from filterkit.cli.shell import Shell, command


@command
def new_plugin(
    shell: Shell,
    name: Annotated[str, typer.Argument(help="What users will type, e.g. glow.")],
    kind: Annotated[
        str,
        typer.Option(help="source, extractor, normalizer, renderer, metric, format or command."),
    ],
    folder: Annotated[Path, typer.Option(help="Where to put the package's folder.")] = Path(),
    license: Annotated[str, typer.Option(help="Apache-2.0, BSD-3-Clause or MIT.")] = "Apache-2.0",
) -> None:
    """Write a complete plugin package: code, tests, README, license and CI."""
    from filterkit.scaffold.package import check_name, new_package

    _check_free(shell, check_name(name), kind)
    made = new_package(name, kind, folder, license)
    shell.rows(({"file": str(made.folder / file)} for file in made.files), ("file",))
    shell.say(f"\nnext:\n  cd {made.folder} && pip install -e . && pytest")
    shell.say("\n".join(f"  {line}" for line in made.show))


def _check_free(shell: Shell, name: str, kind: str) -> None:
    """Refuse a name under which nobody would reach the plugin."""
    from filterkit.errors import UsageError

    taken: set[str] = set()
    if kind == "command":
        from filterkit.cli.app import COMMANDS

        taken = {"plugins", *(each for names in COMMANDS.values() for each in names)}
    elif kind == "metric":
        from filterkit.catalog.rows import searchable

        taken = {column.replace("_", "-") for column in searchable()}
    else:
        from filterkit.plugins.offers import HOOKS

        for known in HOOKS:
            if known == kind:
                taken = {offer.name for offer in shell.registry.offers(known)}
    if name in taken:
        what = "column" if kind == "metric" else kind
        raise UsageError(f"there is a {what} '{name}' already", hint="choose another name")
