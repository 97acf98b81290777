"""``filterkit plugins``: list, inspect, check, create and install plugins."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from filterkit.cli.plugins_install import (
    install_plugins,
    plugin_requirements,
    uninstall_plugins,
    upgrade_plugins,
)
from filterkit.cli.plugins_new import new_plugin
from filterkit.cli.shell import Shell, command, declare
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


def _sources(rows: Sequence[Row]) -> Iterator[str]:
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
