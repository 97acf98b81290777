"""``filterkit plugins new``."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from command_line import Run

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def test_what_was_written_is_listed_and_what_is_next_is_said(run: Run, tmp_path: Path) -> None:
    ran = run(
        "plugins", "new", "glow", "--kind", "normalizer", "--folder", tmp_path / "mine", "--format", "csv"
    )
    head, *files = ran.stdout.splitlines()
    assert head == "file"
    assert len(files) == 10
    assert all(Path(file).is_file() for file in files)
    assert f"cd {tmp_path / 'mine' / 'filterkit-glow'} && pip install -e '.[test]' && pytest" in ran.stderr
    assert "filterkit show classic/blur_gaussian_5 --normalizer glow:gamma=0.3 -o glow.png" in ran.stderr


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        (("csv", "--kind", "format"), "there is already a format 'csv'", "choose another name"),
        (("show", "--kind", "command"), "there is already a command 'show'", "choose another name"),
        (
            ("convolution", "--kind", "extractor"),
            "there is already an extractor 'convolution'",
            "choose another name",
        ),
        (("energy", "--kind", "metric"), "there is already a metric 'energy'", "choose another name"),
        (("plugins", "--kind", "command"), "there is already a command 'plugins'", "choose another name"),
        (("l2-norm", "--kind", "metric"), "there is already a column 'l2-norm'", "choose another name"),
        (("glow", "--kind", "normaliser"), "there is no kind 'normaliser'", "did you mean 'normalizer'?"),
        (
            ("glow", "--kind", "format", "--license", "mit"),
            "there is no license 'mit'",
            "did you mean 'MIT'?",
        ),
    ],
)
def test_wrong_use(run: Run, words: tuple[str, ...], error: str, hint: str) -> None:
    assert run("plugins", "new", *words).failure == (2, error, hint)
    assert list(Path().iterdir()) == []


def test_a_name_of_another_kind_is_free(run: Run) -> None:
    assert run("plugins", "new", "csv", "--kind", "renderer").exit_code == 0


def test_a_plugin_that_is_installed_is_not_replaced(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pip would replace it when the new package of the same name is installed, whatever its kind."""
    shutil.copy(EXAMPLES / "largest_command.py", tmp_path / "filterkit_glow.py")
    monkeypatch.setenv("FILTERKIT_PLUGINS_DIR", str(tmp_path))
    assert run("plugins", "new", "glow", "--kind", "metric", "--quiet").failure == (
        2,
        "the plugin filterkit-glow is already installed",
        "choose another name; filterkit plugins show filterkit-glow describes it",
    )


def test_folders_with_odd_names_can_be_pasted(run: Run) -> None:
    ran = run("plugins", "new", "glow", "--kind", "format", "--folder", "my plugins")
    assert "cd 'my plugins/filterkit-glow' && " in ran.stderr


def test_nothing_is_written_over(run: Run) -> None:
    assert run("plugins", "new", "glow", "--kind", "format").exit_code == 0
    code, error, _ = run("plugins", "new", "glow", "--kind", "format").failure
    assert (code, error) == (2, "filterkit-glow already exists")
