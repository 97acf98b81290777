"""``filterkit doctor``: check the installation and the catalog, and say how to fix problems."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from filterkit.cli.shell import Shell, command
from filterkit.formats.json_lines import printable_json


@command
def doctor(
    shell: Shell,
    recover: Annotated[
        bool,
        typer.Option(
            "--recover", help="First roll back the changes of an interrupted writer in the catalog."
        ),
    ] = False,
) -> None:
    """Check versions, providers, catalog, store and plugins; exit 1 if anything is broken."""
    with shell.workbench() as bench:
        if recover:
            bench.recover()
        report = bench.examine()
    if shell.format == "json":
        print(printable_json(json.dumps(report, indent=2)))
    else:
        shell.rows(_lines(report), ("check", "state", "detail"))
    if report["faults"]:
        raise typer.Exit(1)
    shell.say("no problems found")


def _lines(report: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The report as rows: what was checked, its state, and details or what to do."""
    for name, version in report["versions"].items():
        if version:
            yield {"check": name, "state": "installed", "detail": version}
    for name, found in report["providers"].items():
        state = "usable" if found["usable"] else "not usable"
        yield {"check": f"provider {name}", "state": state, "detail": found.get("reason")}
    catalog, store = report["catalog"], report["store"]
    if catalog["usable"]:
        state = f"{catalog['models']} models" if "models" in catalog else "none yet"
        yield {"check": "catalog", "state": state, "detail": catalog["path"]}
    if store:
        yield {"check": "store", "state": f"{store['bytes'] / 1e6:,.1f} MB", "detail": store["path"]}
        for each in store["without_weights"]:
            yield {"check": f"model {each['model']}", "state": "no weights", "detail": each["do"]}
    for plugin in report["plugins"]:
        yield {"check": f"plugin {plugin['plugin']}", "state": plugin["state"], "detail": plugin["version"]}
    for fault in report["faults"]:
        yield {"check": fault["what"], "state": "FAULT", "detail": fault["do"]}
