"""``filterkit plugins``: list, inspect, check, create and install plugins."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from filterkit.cli.shell import Shell, command, command_for_any_plugins, declare
from filterkit.errors import one_line

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Row

plugins = typer.Typer(name="plugins", help="List, inspect, check, create, install and remove plugins.")


@command
def list_plugins(
    shell: Shell,
    hook: Annotated[
        str | None, typer.Option(help="Only plugins that implement this hook, e.g. normalizers.")
    ] = None,
) -> None:
    """List all plugins, built-in and installed, with their state."""
    with shell.workbench() as bench:
        rows = bench.plugin_rows(hook)
        unknown = [each.name for each in bench.plugins.plugins if hook and not each.hooks]
    if unknown:
        shell.say(one_line(f"not loaded, so their hooks are unknown: {', '.join(unknown)}"))
    error = ("error",) if any(row["error"] for row in rows) else ()
    shell.rows(rows, rows.columns, brief=("plugin", "version", "state", "adds", *error, "path"))


@command
def show_plugin(
    shell: Shell,
    name: Annotated[str, typer.Argument(help="A plugin, or something that a plugin adds, e.g. percentile.")],
) -> None:
    """Show what a plugin adds, or the options of one normalizer, renderer or source."""
    with shell.workbench() as bench:
        rows = bench.describe_plugin(name)
    columns = list(rows.columns)
    if shell.format == "table" and not shell.quiet:
        shell.say("\n".join(map(one_line, _sources(rows))))
        empty = {name for name in ("options", "error") if not any(row.get(name) for row in rows)}
        columns = [name for name in columns if name not in {"plugin", "version", "path"} | empty]
    shell.rows(rows, columns)


def _sources(rows: Iterable[Row]) -> Iterator[str]:
    """Plugins and, below each, the source files of what it adds; on lines of their own, never truncated."""
    plugins: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        name, version = row.get("name", row.get("of")), row.get("version")
        files = plugins.setdefault(f"{row['plugin']} {version}" if version else row["plugin"], {})
        files.setdefault(row["path"] or "no source file", []).append(name)
    for plugin, files in plugins.items():
        yield plugin
        for path, names in files.items():
            added = f" ({', '.join(dict.fromkeys(names))})" if len(files) > 1 else ""
            yield f"  {path}{added}"


@command
def plugins_doctor(shell: Shell) -> None:
    """Report broken plugins, and missing ones that catalogued models used; exit 1 if there are any."""
    with shell.workbench() as bench:
        faults = bench.plugin_faults()
    if faults or shell.format != "table":
        shell.rows(faults, faults.columns)
    if faults:
        raise typer.Exit(1)
    shell.say("all plugins work")


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


@command
def new_plugin(
    shell: Shell,
    name: Annotated[str, typer.Argument(help="The name that users will type, e.g. glow.")],
    kind: Annotated[
        str,
        typer.Option(
            help="source, extractor, normalizer, renderer, metric, format, image-source, gradient-rule, "
            "attribution, response-metric, panel or command."
        ),
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


def _default(context: typer.Context, **common: Any) -> None:
    if context.invoked_subcommand is None:
        context.invoke(list_plugins, **common)
    else:  # options before `list` or `show` apply to it
        context.default_map = {context.invoked_subcommand: common}


_CONTEXT = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
plugins.callback(invoke_without_command=True)(declare(_default, [_CONTEXT]))
plugins.command("list")(list_plugins)
plugins.command("show")(show_plugin)
plugins.command("doctor")(plugins_doctor)
plugins.command("new")(new_plugin)
plugins.command("install")(install_plugins)
plugins.command("uninstall")(uninstall_plugins)
plugins.command("upgrade")(upgrade_plugins)
plugins.command("requirements")(plugin_requirements)
