"""What eighty installed plugins cost users who only ask for help.

Plugins that add commands cost more: they must be imported once to be listed; then their help is cached.
"""

from __future__ import annotations

import compileall
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from measuring import Line, in_turn, process, ratios

COUNT = 80
KINDS = (
    "model_sources",
    "weight_extractors",
    "normalizers",
    "renderers",
    "metrics",
    "output_formats",
    "after_ingest",
)
OFFERS = '''"""A plugin."""

from __future__ import annotations

from dataclasses import dataclass

import filterkit

FILTERKIT_API = 1


@filterkit.hookimpl
def filterkit_{kind}():
    return [filterkit.Contribution("{name}", "What it adds, in a line", "{module}.work:Work")]
'''
COMMAND = '''"""A plugin."""

import filterkit

FILTERKIT_API = 1


@filterkit.hookimpl
def filterkit_commands(app):
    @app.command("{name}")
    def command(model: str, count: int = 3) -> None:
        """What it does, in a line."""
'''
EVENT = '''"""A plugin."""

import filterkit

FILTERKIT_API = 1


@filterkit.hookimpl
def filterkit_after_ingest(event):
    pass
'''


def install(site: Path, count: int, commands: int) -> None:
    """Write `count` plugins, `commands` of them with a command, as an installer would."""
    for number in range(count):
        kind = "commands" if number < commands else KINDS[number % len(KINDS)]
        module, name = f"filterkit_made_{number}", f"made-{number}"
        code = {"commands": COMMAND, "after_ingest": EVENT}.get(kind, OFFERS)
        package = site / module
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(code.format(kind=kind, name=name, module=module))
        (package / "work.py").write_text('"""What it adds."""\n\n\nclass Work: ...\n')
        info = site / f"{module}-1.{number}.dist-info"
        info.mkdir()
        head = f"Metadata-Version: 2.4\nName: {module}\nVersion: 1.{number}\n"
        (info / "METADATA").write_text(f"{head}\nA plugin.\n")
        (info / "entry_points.txt").write_text(f"[filterkit]\n{name} = {module}\n")


def lines(catalog: Path) -> Iterator[Line]:
    with tempfile.TemporaryDirectory() as folder:
        sites = {name: Path(folder, name) for name in ("none", "eighty", "of every kind", "the first time")}
        sites["none"].mkdir()
        install(sites["eighty"], COUNT, commands=0)
        for name in ("of every kind", "the first time"):
            install(sites[name], COUNT, commands=COUNT // (len(KINDS) + 1))
        compileall.compile_dir(folder, quiet=1)
        actions = {name: helped(site) for name, site in sites.items()}
        again = actions["the first time"]
        actions["the first time"] = lambda: (forget(sites["the first time"]), again())
        taken = in_turn(actions, 41)
    for name, more, reach in (
        ("eighty", "", 1.1),
        ("of every kind", ", 10 with commands", 1.1),
        ("the first time", ", the first time", 1.2),
    ):
        yield Line(
            f"filterkit --help, {COUNT} plugins{more}",
            "filterkit --help, no plugins installed",
            statistics.median(taken[name]) / statistics.median(taken["none"]),
            reach,
            ratios(taken[name], taken["none"]),
        )


def helped(site: Path) -> Callable[[], None]:
    """``filterkit --help`` in a process that finds the plugins in `site`, with a separate cache."""
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    home = [f"HOME={_home(site)}", f"XDG_CACHE_HOME={_home(site)}"]
    return process(["env", *home, f"PYTHONPATH={path}", sys.executable, "-m", "filterkit", "--help"])


def forget(site: Path) -> None:
    """Clear the help cache."""
    for file in _home(site).rglob("commands-*.json"):
        file.unlink()


def _home(site: Path) -> Path:
    return site.with_name(f"home of {site.name}")
