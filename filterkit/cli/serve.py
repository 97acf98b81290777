"""``filterkit serve``: explore the catalog in a browser."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from filterkit.cli.shell import Shell, command
from filterkit.errors import FilterkitError, FilterkitWarning

PACKAGES = ("starlette", "uvicorn", "jinja2", "markupsafe", "python_multipart")


@command
def serve(
    shell: Shell,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 chooses a free one.")
    ] = 8765,
    open: Annotated[bool, typer.Option("--open", help="Open the page in the default browser.")] = False,
    host: Annotated[
        str, typer.Option(help="Name or address to listen on; others than this computer can then connect.")
    ] = "127.0.0.1",
    allow_changes: Annotated[
        bool, typer.Option("--allow-changes", help="Permit adding and removing models on its pages.")
    ] = False,
) -> None:
    """Explore the catalog in a browser, until Ctrl-C.

    Prints the address to open. It contains a token, without which the
    server refuses every request. Nothing is changed in the catalog unless
    --allow-changes permits it.
    """
    with missing_extra():
        from filterkit.web.server import Server
    with shell.workbench() as bench:
        bench.catalog()  # an error now is better than one on the first page
    server = Server(shell.catalog, shell.registry, host=host, port=port, allow_changes=allow_changes)
    if not server.is_local:
        warnings.warn(
            f"other computers can connect to {host}; whoever has the token sees the catalog, and the "
            "connection is not encrypted",
            FilterkitWarning,
            stacklevel=1,
        )
    print(server.url)
    sys.stdout.flush()
    if open:
        import webbrowser

        if not webbrowser.open(server.url):
            shell.say("no browser was found: open the address above")
    server.run()


@contextmanager
def missing_extra() -> Iterator[None]:
    """Report a package of the extra ``web`` that is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in PACKAGES:
            raise
        raise FilterkitError(
            f"the explorer needs {package}, which is not installed",
            hint="pip install 'cnn-filterkit[web]'",
        ) from None
