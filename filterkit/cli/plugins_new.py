"""``filterkit plugins new``: create the package of a working plugin."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from filterkit.cli.shell import Shell, command


@command
def new_plugin(
    shell: Shell,
    name: Annotated[str, typer.Argument(help="The name that users will type, e.g. glow.")],
    kind: Annotated[
        str,
        typer.Option(help="source, extractor, normalizer, renderer, metric, format or command."),
    ],
    folder: Annotated[Path, typer.Option(help="Folder to create the package in.")] = Path(),
    license: Annotated[str, typer.Option(help="Apache-2.0, BSD-3-Clause or MIT.")] = "Apache-2.0",
) -> None:
    """Create a complete plugin package: code, tests, README, license and CI."""
    from filterkit.cli.app import COMMANDS
    from filterkit.scaffold.package import check_name, new_package

    check_name(name)
    with shell.workbench() as bench:
        bench.check_new_plugin(
            name, kind, ("plugins", *(each for names in COMMANDS.values() for each in names))
        )
    made = new_package(name, kind, folder, license)
    shell.rows(({"file": str(made.folder / file)} for file in made.files), ("file",))
    shell.say(f"\nnext:\n  cd {shlex.quote(str(made.folder))} && pip install -e '.[test]' && pytest")
    shell.say("\n".join(f"  {line}" for line in made.show))
