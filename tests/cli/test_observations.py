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


def test_unknown_names(run: Run, tmp_path: Path) -> None:
    observe_net(tmp_path)
    assert run("observations", "nte").failure == (
        *(1, "there is no model 'nte' in the catalog", "did you mean 'net'?"),
    )
    assert run("remove", "net", "--observation", "picture").failure == (
        *(1, "net has no observation 'picture'", "did you mean 'pictures'?"),
    )
    assert run("remove", "n*", "--observation", "pictures").failure[:2] == (
        *(1, "there is no model 'n*' in the catalog"),
    )
    assert run("remove", "net", "--observation", "pictures").stderr == "removed observation pictures of net\n"
    assert run("observations", "net", "--format", "json").rows == []
