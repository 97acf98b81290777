"""The page about feature visualization: its commands run, its pictures exist."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from filterkit.testing import code_blocks

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "visualize.md").read_text(encoding="utf-8")

RunPage = Callable[[str], dict[str, tuple[str, str]]]


@pytest.fixture
def folder(with_networks: Callable[..., Path]) -> Path:
    return with_networks()


@pytest.mark.zoo
def test_the_commands_and_the_python_run(folder: Path, run_page: RunPage) -> None:
    ran = run_page(PAGE)
    assert len(ran) == 5
    for name in re.findall(r" -o (\S+\.\w+)", "\n".join(ran)):
        assert (folder / name).stat().st_size > 1000, name
    assert np.load("filters.npy").shape == (4, 3, 48, 48)
    assert len(list(Path("folder").iterdir())) == 4
    (block,) = code_blocks(PAGE, "python")
    (folder / "page.py").write_text(block, encoding="utf-8")
    runpy.run_path(str(folder / "page.py"))
    assert (folder / "filters.png").exists()


def test_its_pictures_exist() -> None:
    found = re.findall(r"\]\((images/\w+\.\w+)\)", PAGE)
    assert len(found) == 2
    assert all((DOCS / name).stat().st_size < 700_000 for name in found)


def test_it_names_every_option() -> None:
    for option in ("--objective", "--at", "--diversity", "--steps", "--seed", "--size"):
        assert f"`{option}" in PAGE
