"""``filterkit plugins install``, ``uninstall``, ``upgrade`` and ``requirements``, without importing any."""

from __future__ import annotations

from typing import Annotated

import typer

from filterkit.cli.shell import Shell, command_for_any_plugins
from filterkit.errors import one_line

Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="Names of plugins.")]


@command_for_any_plugins
def install_plugins(
    shell: Shell,
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...",
            help="Anything that pip installs: a name, name==version, a folder, a wheel or a URL.",
        ),
    ],
) -> None:
    """Install plugins with pip into the environment of filterkit."""
    from filterkit.errors import UsageError
    from filterkit.plugins.installing import install, versions

    for name in names:
        if name.startswith("-"):
            raise UsageError(
                f"'{name}' is not a plugin", hint="set options of pip with its PIP_* environment variables"
            )
    before = versions()
    installed = install(*_quietly(shell), *names)
    plugins = {name: version for name, version in versions().items() if name in installed}
    for name, version in plugins.items():
        verb = "reinstalled" if before.get(name) == version else "installed"
        shell.say(one_line(f"{verb} {name} {version}; filterkit plugins show {name} lists what it adds"))
    if not plugins:
        shell.say("no new plugin; filterkit plugins lists the installed ones")


@command_for_any_plugins
def uninstall_plugins(shell: Shell, names: Names) -> None:
    """Uninstall plugins with pip. What they added to catalogs is kept."""
    from filterkit.plugins.installing import distributions_of, pip

    pip("uninstall", "--yes", *_quietly(shell), *distributions_of(names))


@command_for_any_plugins
def upgrade_plugins(shell: Shell, names: Names) -> None:
    """Upgrade plugins with pip, and reinstall missing dependencies."""
    from filterkit.plugins.installing import distributions_of, pip

    pip("install", "--upgrade", *_quietly(shell), *distributions_of(names))


@command_for_any_plugins
def plugin_requirements(shell: Shell) -> None:
    """Print the installed plugins as requirements for `pip install -r`."""
    from filterkit.plugins.installing import REQUIREMENT_COLUMNS, requirements

    rows = requirements()
    if shell.format != "table":
        shell.rows(rows, REQUIREMENT_COLUMNS)
        return
    for row in rows:
        if row["note"]:
            print(one_line(f"# {row['plugin']}: {row['note']}"))
        if row["requirement"]:
            print(one_line(row["requirement"]))


def _quietly(shell: Shell) -> list[str]:
    return ["--quiet"] if shell.quiet else []
