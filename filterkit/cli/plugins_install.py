"""``filterkit plugins install``, ``uninstall``, ``upgrade`` and ``requirements``: they import no plugin."""

from __future__ import annotations

from typing import Annotated

import typer

from filterkit.cli.shell import Shell, command_for_any_plugins
from filterkit.errors import one_line

Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="Plugins, by name.")]


@command_for_any_plugins
def install_plugins(
    shell: Shell,
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...", help="What pip takes: a name, name==version, a folder, a wheel, a URL."
        ),
    ],
) -> None:
    """Install plugins with pip, into the environment that filterkit runs in."""
    from filterkit.errors import UsageError
    from filterkit.plugins.installing import install, versions

    for name in names:
        if name.startswith("-"):
            raise UsageError(f"'{name}' is no plugin", hint="options of pip are set in its PIP_* variables")
    before = versions()
    put = install(*_quietly(shell), *names)
    plugins = {name: version for name, version in versions().items() if name in put}
    for name, version in plugins.items():
        again = " again" if before.get(name) == version else ""
        what = f"{name} {version} is installed{again}"
        shell.say(one_line(f"{what}; filterkit plugins show {name} says what it adds"))
    if not plugins:
        shell.say("no plugin is new; filterkit plugins lists those that are there")


@command_for_any_plugins
def uninstall_plugins(shell: Shell, names: Names) -> None:
    """Uninstall plugins with pip. What they added to catalogs stays there."""
    from filterkit.plugins.installing import distributions_of, pip

    pip("uninstall", "--yes", *_quietly(shell), *distributions_of(names))


@command_for_any_plugins
def upgrade_plugins(shell: Shell, names: Names) -> None:
    """Upgrade plugins with pip; brings back what they need, too."""
    from filterkit.plugins.installing import distributions_of, pip

    pip("install", "--upgrade", *_quietly(shell), *distributions_of(names))


@command_for_any_plugins
def plugin_requirements(shell: Shell) -> None:
    """Print what to install to have the same plugins again, for `pip install -r`."""
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
