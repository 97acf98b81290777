"""The commands of the page of questions run, and print what the page says."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from filterkit.cli.app import build_app
from filterkit.operations.quickstart import place_photo
from filterkit.testing import code_blocks

PAGE = Path(__file__).parents[2] / "docs" / "questions.md"


def sessions(text: str) -> Iterator[tuple[str, str]]:
    """Every command line of the page, and what it prints."""
    for block in code_blocks(text, "console"):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            line, _, printed = re.sub(r" *\\\n *", " ", part).partition("\n")
            yield line, printed


def run(line: str) -> str:
    """What a command line prints; `|` pipes."""
    printed = ""
    for words in " ".join(shlex.quote(word) for word in shlex.split(line)).split(" '|' "):
        [program, *rest] = shlex.split(words)
        assert program == "filterkit"
        done = CliRunner().invoke(build_app(), rest, input=printed)
        assert done.exit_code == 0, f"{words}: {done.stderr}"
        printed = done.stdout
    return printed


@pytest.mark.zoo
def test_every_question_is_answered_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zoo_model: Callable[[str], Path]
) -> None:
    for name in ("vgg16", "vgg16-hed", "open-nsfw"):
        zoo_model(name)  # skips where it cannot be fetched
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FILTERKIT_CATALOG", raising=False)
    place_photo(tmp_path, None, ours=True)
    text = PAGE.read_text(encoding="utf-8")
    asked = list(sessions(text))
    assert len(asked) == text.count("\n### ") + 4
    for line, printed in asked:
        said, told = [each.rstrip() for each in run(line).splitlines()], printed.splitlines()
        if told[-1:] == ["…"]:  # and so on
            told.pop()
            said = said[: len(told)]
        assert said == told, line
    assert {path.name for path in tmp_path.glob("*.png")} == set(re.findall(r"-o (\w+\.png)", text))
