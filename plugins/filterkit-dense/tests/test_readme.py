"""The commands in the README run as shown, in a shell.

The network to download is replaced by a tiny one of the same name.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from filterkit.testing import build_model, code_blocks, node, run_block, tiny_model

PLUGIN = Path(__file__).parents[1]
COMMANDS = code_blocks((PLUGIN / "README.md").read_text(encoding="utf-8"))


def test_the_commands(tmp_path: Path) -> None:
    tiny_model("classifier", tmp_path).path.rename(tmp_path / "net.onnx")
    said = run_block(COMMANDS[0], tmp_path)
    assert all(layer in said for layer in ("conv", "hidden", "scores"))


def test_the_example(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    weights = {
        name: random.normal(size=size).astype(np.float32)
        for name, size in (("a", (4, 1, 3, 3)), ("b", (4, 10)))
    }
    nodes = [
        node("Conv", "image a", "maps", "conv"),
        node("GlobalAveragePool", "maps", "pooled"),
        node("Flatten", "pooled", "flat"),
        node("MatMul", "flat b", "scores", "Times212"),
    ]
    model = build_model(nodes, {"image": [1, 1, 28, 28]}, weights)
    (tmp_path / "mnist-cnn.onnx").write_bytes(model.SerializeToString())
    block = COMMANDS[1].replace("filterkit add mnist-cnn", "filterkit add mnist-cnn.onnx")
    block = block.replace("plugins/filterkit-dense", str(PLUGIN))
    assert "Times212" in run_block(block, tmp_path)
    for name in ("weights.png", "digits.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_installing() -> None:
    assert COMMANDS[0].startswith(f"pip install ./plugins/{PLUGIN.name} ")
    assert COMMANDS[-1] == "pip install -e '.[test]' && pytest\n"
    assert len(COMMANDS) == 3
