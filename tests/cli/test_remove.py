"""``filterkit remove``."""

from __future__ import annotations

from pathlib import Path

from command_line import Run, files_below, write_network


def test_remove_frees_the_store(run: Run, classic: Path, tmp_path: Path) -> None:
    store = classic.with_suffix(".store")
    only_classic = files_below(store)
    run("add", write_network(tmp_path / "m.onnx"))
    assert len(files_below(store)) > len(only_classic)
    ran = run("remove", "m")
    assert (ran.exit_code, ran.stdout, ran.stderr) == (0, "", "removed m\n")
    assert files_below(store) == only_classic
    assert [row["model"] for row in run("models", "--format", "json").rows] == ["classic"]
    assert run("query", "select count(*) as n from layer", "--format", "json").rows == [{"n": 13}]


def test_remove_lists_the_closest_names(run: Run, classic: Path) -> None:
    code, error, hint = run("remove", "clasic").failure
    assert code == 1
    assert "clasic" in error
    assert "'classic'" in hint


def test_removing_from_no_catalog_makes_none(run: Run, tmp_path: Path) -> None:
    assert run("remove", "vgg16").failure[0] == 1
    assert list(tmp_path.iterdir()) == []
