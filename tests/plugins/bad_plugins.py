"""Plugins that misbehave: what they are made of, and what must hold beside them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from filterkit.cli.app import build_app
from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import Registry

NAME = "filterkit-bad"

OFFERS = """
import filterkit
def filterkit_normalizers():
    {body}
    return [filterkit.Contribution("bad", "Bad", f"{{__name__}}:Bad")]
filterkit_normalizers = filterkit.hookimpl(filterkit_normalizers)
class Bad:
    def normalize(self, values): return filterkit.Normalized(values * 0, None, None, None)
"""


def rows(catalog: Path, *words: str) -> list[dict[str, Any]]:
    """What a command prints that needs no plugin; it succeeds and prints nothing else on stdout."""
    ran = CliRunner().invoke(build_app(), [*words, "--catalog", str(catalog), "--format", "json"])
    assert ran.exit_code == 0, (ran.stderr, ran.exception)
    return list(json.loads(ran.stdout))


Install = Callable[..., Path]


def made(install: Install, body: str) -> Any:
    install(
        NAME,
        f"import filterkit\nclass Bad:\n    def normalize(self, values):\n        {body}\n"
        "@filterkit.hookimpl\ndef filterkit_normalizers():\n"
        "    return [filterkit.Contribution('bad', 'Bad', Bad)]\n",
    )
    return Registry(load_plugins(strict=False)).create("normalizer", "bad")
