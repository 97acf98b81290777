"""``filterkit plugins new``: the package of a plugin that works, to begin with."""

from __future__ import annotations

import shlex
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
    shell.say(f"\nnext:\n  cd {shlex.quote(str(made.folder))} && pip install -e '.[test]' && pytest")
    shell.say("\n".join(f"  {line}" for line in made.show))


def _check_free(shell: Shell, name: str, kind: str) -> None:
    """Refuse a name under which nobody would reach the plugin, or that would replace another's package."""
    from filterkit.errors import UsageError
    from filterkit.plugins.discovery import canonical
    from filterkit.plugins.offers import HOOKS
    from filterkit.scaffold.package import PREFIX

    for each in shell.registry.host.plugins:
        if canonical(each.name) == f"{PREFIX}{name}":
            raise UsageError(
                f"the plugin {each.name} is installed already",
                hint=f"choose another name; filterkit plugins show {each.name} says what it is",
            )
    taken: dict[str, set[str]] = {}
    if kind == "command":
        from filterkit.cli.app import COMMANDS

        taken["command"] = {"plugins", *(each for names in COMMANDS.values() for each in names)}
    for known in HOOKS:
        if known == kind:
            taken[kind] = {offer.name for offer in shell.registry.offers(known)}
    if kind == "metric":
        from filterkit.catalog.rows import searchable

        taken["column"] = {column.replace("_", "-") for column in searchable()}
    for what, names in taken.items():
        if name in names:
            article = "an" if what == "extractor" else "a"
            raise UsageError(f"there is {article} {what} '{name}' already", hint="choose another name")
