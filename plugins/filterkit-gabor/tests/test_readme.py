"""The commands in the README run as shown, in a shell.

The network to download is replaced by a tiny one of the same name.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from filterkit.testing import build_model, code_blocks, node, run_block
from PIL import Image

PLUGIN = Path(__file__).parents[1]
COMMANDS = code_blocks((PLUGIN / "README.md").read_text(encoding="utf-8"))


def test_the_metric(tmp_path: Path) -> None:
    wave = np.cos(np.arange(7) - 3) * np.exp(
        -((np.arange(7)[:, np.newaxis] - 3) ** 2 + (np.arange(7) - 3) ** 2) / 8
    )
    weights = np.repeat(wave[np.newaxis, np.newaxis].astype(np.float32), 3, axis=1)
    model = build_model(
        [node("Conv", "image w", "maps", "conv_1")], {"image": [1, 3, 32, 32]}, {"w": weights}
    )
    path = tmp_path / "open-nsfw.onnx"
    path.write_bytes(model.SerializeToString())
    block, replaced = re.subn(r"add open-nsfw\b", f"add {path}", COMMANDS[0])
    assert replaced == 1
    assert "open-nsfw/conv_1/0" in run_block(block, tmp_path)


def test_the_source(tmp_path: Path) -> None:
    Image.new("RGB", (40, 40), "orange").save(tmp_path / "photo.jpg")
    run_block(COMMANDS[1], tmp_path)
    assert (tmp_path / "gabor.png").read_bytes().startswith(b"\x89PNG")
    assert list((tmp_path / "maps").iterdir())
    run_block(COMMANDS[2], tmp_path)
    assert "gabor12" in run_block("filterkit models", tmp_path)


def test_installing() -> None:
    assert COMMANDS[0].startswith(f"pip install ./plugins/{PLUGIN.name} ")
    assert COMMANDS[-1] == "pip install -e '.[test]' && pytest\n"
    assert len(COMMANDS) == 4
