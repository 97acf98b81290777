"""The page about ablation: its commands run, its numbers are true, its pictures exist."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

from filterkit.operations.quickstart import place_photo
from filterkit.testing import code_blocks

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "ablation.md").read_text(encoding="utf-8")

RunPage = Callable[[str], dict[str, tuple[str, str]]]


@pytest.fixture
def folder(with_networks: Callable[..., Path]) -> Path:
    """With the models and the photo of the page."""
    folder = with_networks("open-nsfw")
    place_photo(folder, None, ours=True)
    return folder


@pytest.mark.zoo
@pytest.mark.slow
def test_the_commands_run(folder: Path, run_page: RunPage) -> None:
    ran = run_page(PAGE)
    assert len(ran) == 7
    for name in re.findall(r" -o (\S+)", "\n".join(ran)):
        assert (folder / name).stat().st_size > 1000, name
    outputs = [*ran.values()]
    assert "block5_conv1/354" in outputs[0][0].splitlines()[2]
    assert "-74.2" in outputs[0][0]
    assert ": 0.94" in outputs[4][1]


@pytest.mark.zoo
def test_the_python_runs(folder: Path) -> None:
    pytest.importorskip("pyarrow")
    (block,) = code_blocks(PAGE, "python")
    (folder / "page.py").write_text(block, encoding="utf-8")
    runpy.run_path(str(folder / "page.py"))
    assert (folder / "ablation.png").exists()


def test_its_pictures_exist() -> None:
    found = re.findall(r"\]\((images/\w+\.png)\)", PAGE)
    assert len(found) == 2
    assert all((DOCS / name).stat().st_size < 400_000 for name in found)
