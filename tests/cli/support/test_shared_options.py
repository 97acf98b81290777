"""Shell completion of names from the catalog and the plugins."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Run

from filterkit.cli.support import shared_options as completion

BASH = {"_FILTERKIT_COMPLETE": "complete_bash", "_TYPER_COMPLETE_TESTING": "1"}


def offered(spawn: Run, line: str) -> list[str]:
    """Completions that bash offers after `line`."""
    words = line.split(" ")
    ran = spawn(**BASH, COMP_WORDS=line, COMP_CWORD=str(len(words) - 1))
    assert ran.exit_code == 0, ran
    assert ran.stderr == ""
    return ran.stdout.split()


def test_names_of_the_catalog(classic: Path) -> None:
    assert completion.complete_model("c") == ["classic"]
    assert completion.complete_model("x") == []
    assert completion.complete_address("cl") == ["classic"]
    assert completion.complete_address("classic/edge_s") == ["classic/edge_sobel_x", "classic/edge_sobel_y"]


def test_names_of_plugins_and_sources() -> None:
    assert completion.complete_format("j") == ["json"]
    assert completion.complete_normalizer("p") == ["percentile"]
    assert set(completion.complete_renderer("")) >= {"grid", "mosaic", "terminal"}
    assert completion.complete_ref("vg") == ["vgg16", "vgg16-hed"]
    assert completion.complete_ref("class") == ["classic"]


def test_no_catalog_no_names_no_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert completion.complete_address("") == []
    Path("catalog.db").write_text("no database")
    assert completion.complete_model("") == []
    assert capsys.readouterr() == ("", "")
    assert [path.name for path in Path().iterdir()] == ["catalog.db"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("filterkit sho", ["show"]),
        ("filterkit remove cl", ["classic"]),
        ("filterkit layers cl", ["classic"]),
        ("filterkit show classic/emb", ["classic/emboss"]),
        ("filterkit models --format nd", ["ndjson"]),
        ("filterkit show classic --normalizer sym", ["symmetric"]),
        ("filterkit maps classic --at p", ["post", "pre"]),
    ],
)
def test_the_shell_asks(spawn: Run, classic: Path, line: str, expected: list[str]) -> None:
    assert offered(spawn, line) == expected


def test_what_is_said_of_plugins_stays_unsaid(spawn: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILTERKIT_PLUGINS_BLOCKED", "filterkit-nowhere")
    assert "filterkit-nowhere" in spawn("plugins").stderr
    assert offered(spawn, "filterkit models --format nd") == ["ndjson"]


def test_a_script_for_the_shell_is_printed(spawn: Run) -> None:
    ran = spawn("--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert ran.exit_code == 0
    assert "_FILTERKIT_COMPLETE=complete_bash" in ran.stdout
