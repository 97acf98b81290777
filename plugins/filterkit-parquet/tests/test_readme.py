"""The commands in the README, and its query, run as shown, in a shell.

``vgg16`` is a tiny model.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from filterkit.testing import code_blocks, run_block, tiny_model

PLUGIN = Path(__file__).parents[1]
README = (PLUGIN / "README.md").read_text(encoding="utf-8")
COMMANDS = code_blocks(README)


def test_the_commands_and_the_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tiny_model("plain", tmp_path).path.rename(tmp_path / "vgg16.onnx")
    run_block(f"filterkit add {path}", tmp_path)
    run_block(COMMANDS[0], tmp_path)
    monkeypatch.chdir(tmp_path)
    layers = duckdb.sql("SELECT layer FROM 'layers.parquet'").fetchall()
    assert layers == [("conv1",), ("conv2",)]
    [question] = code_blocks(README, "sql")
    [(model, count, norm)] = duckdb.sql(question).fetchall()
    assert (model, count) == ("vgg16", 9)
    assert norm > 0


def test_installing() -> None:
    assert COMMANDS[0].startswith(f"pip install ./plugins/{PLUGIN.name} ")
    assert COMMANDS[-1] == "pip install -e '.[test]' && pytest\n"
    assert len(COMMANDS) == 2
