"""The commands in the README run as shown, in a shell.

``torchvision`` is a module with a tiny network.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from filterkit.testing import code_blocks, run_block

PLUGIN = Path(__file__).parents[1]
COMMANDS = code_blocks((PLUGIN / "README.md").read_text(encoding="utf-8"))

TORCHVISION = """
from torch import nn

def resnet18(weights=None):
    assert weights == "DEFAULT"
    net = nn.Sequential()
    net.conv1 = nn.Conv2d(3, 8, 7, 2)
    net.relu = nn.ReLU()
    return net
"""


def test_the_commands(tmp_path: Path) -> None:
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "models.py").write_text(TORCHVISION)
    run_block(COMMANDS[0], tmp_path)
    assert (tmp_path / "conv1.png").read_bytes().startswith(b"\x89PNG")


def test_the_example(tmp_path: Path) -> None:
    docs = tmp_path / "plugins" / PLUGIN.name / "docs"
    shutil.copytree(PLUGIN / "docs", docs)
    (docs / "filters.png").unlink()
    run_block(COMMANDS[1], tmp_path)
    assert (docs / "filters.png").read_bytes().startswith(b"\x89PNG")


def test_installing() -> None:
    assert COMMANDS[0].startswith(f"pip install ./plugins/{PLUGIN.name} ")
    assert COMMANDS[-1] == "pip install -e '.[test]' && pytest\n"
    assert len(COMMANDS) == 3
