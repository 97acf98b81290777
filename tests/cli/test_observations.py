"""``filterkit observations``: what there is, and where nothing is."""

from __future__ import annotations

from pathlib import Path

from command_line import Run
from observed_net import observe_net


def test_all_models_or_one(run: Run, tmp_path: Path) -> None:
    observe_net(tmp_path, observe=False)
    assert run("observations", "--format", "json").rows == []
    run("observe", "net/last", "pictures", "--name", "a", "--at", "pre", "--size", "16", "--top", "2")
    [row] = run("observations", "--format", "json").rows
    assert [row[name] for name in ("model", "observation", "layers", "filters", "at", "size", "top")] == [
        *("net", "a", 1, 2, "pre", "16x16", 2),
    ]
    assert row["finished"] >= row["started"]
    assert run("observations", "net", "--format", "json").rows == [row]
