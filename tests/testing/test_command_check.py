"""Broken commands, and what the check says of them."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
import typer
from breaking import problems

import filterkit
from filterkit.testing import check_command


def good(app: typer.Typer) -> None:
    group = typer.Typer(help="More of them.")

    @app.command("count-layers")
    def count(model: str, more: Annotated[int, typer.Option(help="Added.")] = 0) -> None:
        """Count the layers of a model."""
        with filterkit.open() as bench:
            print(len(bench.layers(model)) + more)

    @group.command()
    def twice(number: int) -> None:
        """Twice as many."""
        print(2 * number)

    app.add_typer(group, name="more")


def nothing(app: typer.Typer) -> None:
    """Forgets to add."""


def fails(app: typer.Typer) -> None:
    raise LookupError("no such table")


def talks(app: typer.Typer) -> None:
    print("hello")
    good(app)


def dice(app: typer.Typer) -> None:
    @app.command(f"roll-{random.random()}".replace(".", "-"))
    def roll() -> None:
        """Roll dice."""
        print(random.random())

    @app.command("again")
    def again() -> None:
        """Roll again."""
        print(random.random())


def unordered(app: typer.Typer) -> None:
    @app.command("parts")
    def parts() -> None:
        """Tell the parts."""
        print({f"part {number}" for number in range(30)})


def wordless(app: typer.Typer) -> None:
    @app.command("Count_It")
    def count(model: str) -> None:
        pass


def hides(app: typer.Typer) -> None:
    for words in ("one", "two"):

        @app.command("count")
        def count(words: str = words) -> None:
            """Count."""
            print(words)


def turned(app: typer.Typer) -> None:
    @filterkit.command
    @app.command("count")
    def count(shell: filterkit.Shell) -> None:
        """Count."""


def raises(app: typer.Typer) -> None:
    @app.command()
    def count(model: str) -> None:
        """Count."""
        print({"plain": 2}[model])

    @app.command()
    def ask(model: str) -> None:
        """Ask."""
        with filterkit.open() as bench:
            print(bench.layers(model))

    @app.command()
    def hush() -> None:
        """Say nothing."""


def writes(app: typer.Typer) -> None:
    @app.command()
    def draw(model: str) -> None:
        """Draw; as data goes to stdout, what it did stands on stderr."""
        Path(f"{model}.txt").write_text("#" * 9)
        print("wrote it", file=sys.stderr)


def test_one_that_writes_a_file_passes() -> None:
    check_command(writes, "draw plain")


def test_a_good_one_passes() -> None:
    examples = ("count-layers plain", "count-layers 'depth*' --more 3", "more twice 4")
    check_command(good, *examples)
    check_command(SimpleNamespace(filterkit_commands=good), *examples)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (nothing, "adds no commands"),
        (fails, "LookupError: no such table"),
        (talks, "prints to stdout, which is reserved for data"),
        (dice, "adds different commands the second time"),
        (dice, "prints something different the second time (with 'again')"),
        (
            unordered,
            "prints something different in another process, with another PYTHONHASHSEED (with 'parts')",
        ),
        (wordless, "names a command 'Count_It'; names are lower-case letters, digits and -"),
        (wordless, "has no docstring for 'Count_It'"),
        (hides, "adds the command 'count' twice; only the last one can be called"),
        (turned, "registers 'count' before decorating it: put @filterkit.command directly above"),
        (raises, "'count absent' fails with exit code 1: KeyError: 'absent'"),
        (raises, "'ask absent' fails with exit code 1: there is no model 'absent'"),
        (raises, "'hush' neither prints to stdout"),
        (raises, "'count' fails with exit code 2: Error: Missing argument"),
    ],
)
def test_what_is_broken_is_said(broken: Any, words: str) -> None:
    examples = {
        raises: ("count plain", "count absent", "ask absent", "hush", "count"),
        dice: ("again",),
        unordered: ("parts",),
    }
    assert words in problems(check_command, broken, *examples.get(broken, ()))
