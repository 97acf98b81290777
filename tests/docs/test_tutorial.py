"""The tutorial's code is one program, and it runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from filterkit.testing import code_blocks

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"


@pytest.mark.zoo
def test_the_tutorial_runs_from_top_to_bottom(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    zoo_model: Callable[[str], Path],
) -> None:
    zoo_model("vgg16")  # skips where it cannot be fetched
    monkeypatch.chdir(tmp_path)
    blocks = code_blocks(TUTORIAL.read_text(encoding="utf-8"), "python")
    assert len(blocks) >= 10
    exec(compile("\n".join(blocks), str(TUTORIAL), "exec"), {})

    printed = capsys.readouterr().out
    assert "block1_conv1 (64, 3, 3, 3) (64,)" in printed
    assert {path.name for path in tmp_path.glob("*.png")} == {
        "filters.png",
        "first_layer.png",
        "feature_maps.png",
        "all_kernels.png",
    }
