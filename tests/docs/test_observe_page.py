"""The page about observing: its commands run, its table is true, its pictures exist."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

from filterkit.catalog.responses import RESPONSES
from filterkit.testing import code_blocks

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "observe.md").read_text(encoding="utf-8")

RunPage = Callable[[str], dict[str, tuple[str, str]]]


@pytest.mark.zoo
@pytest.mark.slow
def test_the_commands_and_the_python_run(with_networks: Callable[..., Path], run_page: RunPage) -> None:
    folder = with_networks()
    runpy.run_path(str(DOCS / "sample_photos.py"), run_name="__main__")
    ran = run_page(PAGE)
    assert len(ran) == 15
    (by_class,) = (stdout for line, (stdout, _) in ran.items() if "-top_class_share" in line)
    assert "vgg16/block5_conv3/13 " in by_class
    assert "vgg16/block5_conv3/416 " in by_class
    (block,) = code_blocks(PAGE, "python")
    (folder / "page.py").write_text(block, encoding="utf-8")
    runpy.run_path(str(folder / "page.py"))
    for name in ("exemplars.png", "gradients.png", "driven.png", "detectors.png", "first.png"):
        assert (folder / name).stat().st_size > 1000


def test_the_table_has_every_column() -> None:
    rows = re.findall(r"^\| (`.*`) \| ", PAGE, re.M)
    assert re.findall(r"`(\w+)`", " ".join(rows)) == list(RESPONSES)


def test_its_pictures_exist() -> None:
    found = re.findall(r"\]\((images/\w+\.png)\)", PAGE)
    assert len(found) == 3
    assert all((DOCS / name).stat().st_size < 400_000 for name in found)
