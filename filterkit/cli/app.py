"""The Typer application: every command, and where plugins add theirs."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from filterkit.cli.add import add
from filterkit.cli.convolve import convolve
from filterkit.cli.doctor import doctor
from filterkit.cli.export import export
from filterkit.cli.filters import filters
from filterkit.cli.layers import layers
from filterkit.cli.maps import maps
from filterkit.cli.models import models
from filterkit.cli.plugins import plugins
from filterkit.cli.query import query
from filterkit.cli.quickstart import quickstart
from filterkit.cli.remove import remove
from filterkit.cli.shell import reported_errors
from filterkit.cli.show import show
from filterkit.cli.usage import OneLineErrors
from filterkit.cli.zoo import zoo

HELP = "See, query and run what a convolutional network has learned."
COMMANDS = {
    "Start here": {"quickstart": quickstart, "doctor": doctor},
    "Models": {"zoo": zoo, "add": add, "remove": remove},
    "Ask the catalog": {"models": models, "layers": layers, "filters": filters, "query": query},
    "Look and run": {"show": show, "maps": maps, "convolve": convolve, "export": export},
}


def build_app() -> typer.Typer:
    """A Typer application with the built-in commands."""
    app = typer.Typer(
        name="filterkit",
        cls=OneLineErrors,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(help=HELP)(_options)
    for panel, commands in COMMANDS.items():
        for name, function in commands.items():
            app.command(name, rich_help_panel=panel)(function)
    app.add_typer(plugins, name="plugins", rich_help_panel="Plugins")
    return app


def run(argv: list[str] | None = None) -> None:
    """Run one command line; plugins are loaded here only where their commands may be meant."""
    words = sys.argv[1:] if argv is None else argv
    app = build_app()
    try:
        with reported_errors(debug="--debug" in words):
            if not words or words[0] not in _built_in():
                _add_plugin_commands(app)
            app(args=words, prog_name="filterkit")
    except typer.Exit as done:
        sys.exit(done.exit_code)


def _built_in() -> set[str]:
    return {"plugins", "--version", *(name for commands in COMMANDS.values() for name in commands)}


def _add_plugin_commands(app: typer.Typer) -> None:
    from filterkit.plugins.manager import load_plugins

    load_plugins().add_commands(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        from filterkit import __version__

        print(f"filterkit {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """The options of `filterkit` itself."""
