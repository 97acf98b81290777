"""catalog.db.example: what everybody has before anything is fetched."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import filterkit
from filterkit.cli.app import build_app
from filterkit.errors import CatalogError

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "catalog.db.example"
CHANGING = {"id", "model_id", "layer_id", "added_at", "plugins"}
"""Columns that another build of the same catalog may fill differently."""


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example as ``catalog.db`` in a folder of its own, with no store beside it."""
    monkeypatch.delenv("FILTERKIT_CATALOG", raising=False)
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copyfile(EXAMPLE, tmp_path / "catalog.db"))


def run(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(build_app(), words)
    return result.exit_code, result.stdout, result.stderr


def contents(path: Path) -> Iterator[tuple[str, list[str], list[tuple[Any, ...]]]]:
    """Every table: its name, its lasting columns, and its rows in order."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        for table in ("model", "layer", "skipped", "edge", "filter"):
            names = [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]
            lasting = [name for name in names if name not in CHANGING]
            columns = ", ".join(f'"{name}"' for name in lasting)
            key = {"layer": "model_id", "edge": "model_id", "filter": "layer_id"}.get(table)
            order = f"{key}, position" if key else "1"
            yield (
                table,
                lasting,
                connection.execute(f'SELECT {columns} FROM "{table}" ORDER BY {order}').fetchall(),
            )


def test_it_holds_vgg16_and_the_classic_kernels(copy: Path) -> None:
    with filterkit.open(copy) as bench:
        models = {row["model"]: row for row in bench.models()}
        assert set(models) == {"vgg16", "classic"}
        assert (models["vgg16"]["layers"], models["vgg16"]["filters"]) == (13, 4224)
        assert (models["vgg16"]["kernels"], models["vgg16"]["parameters"]) == (1634496, 14714688)
        assert len(bench.filters("vgg16")) == 4224
        assert len(bench.layers("classic")) == 13
        assert bench.layers("vgg16")[-1]["receptive_field"] == 196
        assert len(bench.filters("*", where="receptive_field > 100 and bias > 0", limit=5)) == 5
        assert bench.query("select count(*) as n from filter")[0]["n"] == 4224 + 13
        assert all(row["license"] for row in models.values())


def test_it_is_one_small_file_of_an_open_kind() -> None:
    assert EXAMPLE.stat().st_size < 1_000_000
    with closing(sqlite3.connect(f"{EXAMPLE.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        text = json.dumps(connection.execute("SELECT * FROM model").fetchall())
    assert str(Path.home()) not in text
    assert "/tmp" not in text


def test_it_opens_where_nothing_can_be_written(tmp_path: Path) -> None:
    folder = tmp_path / "read only"
    folder.mkdir()
    catalog = Path(shutil.copyfile(EXAMPLE, folder / "catalog.db"))
    before = hashlib.sha256(catalog.read_bytes()).hexdigest()
    catalog.chmod(0o444)
    folder.chmod(0o555)
    try:
        with filterkit.open(catalog) as bench:
            assert len(bench.layers("vgg16")) == 13
            assert bench.query("select 1 as one")[0] == {"one": 1}
        assert hashlib.sha256(catalog.read_bytes()).hexdigest() == before
        if os.name == "posix" and os.geteuid() != 0:
            assert [path.name for path in folder.iterdir()] == ["catalog.db"]
    finally:
        folder.chmod(0o755)


@pytest.mark.parametrize(
    "words",
    [
        ["models"],
        ["layers", "vgg16"],
        ["layers", "vgg16", "--skipped"],
        ["filters", "vgg16/block5_*", "--where", "l2_norm > 0.7", "--sort", "-sparsity"],
        ["query", "select name, receptive_field, macs from layer order by macs desc"],
        ["doctor"],
    ],
)
def test_every_question_is_answered_without_weights(copy: Path, words: list[str]) -> None:
    code, stdout, _ = run(*words, "--format", "json")
    assert code == 0
    assert json.loads(stdout) or "--skipped" in words


def test_what_needs_weights_says_what_brings_them(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(b"")
    for words in (
        ["show", "vgg16/block1_conv1/0:6"],
        ["export", "vgg16/block1_conv1", "-o", "bank.npy"],
        ["maps", "vgg16/block1_conv1", "photo.png"],
    ):
        code, stdout, stderr = run(*words)
        assert (code, stdout) == (1, "")
        assert "weights of vgg16" in stderr
        assert "filterkit add vgg16" in stderr
    with filterkit.open(copy) as bench, pytest.raises(CatalogError) as caught:
        bench.bank("classic/emboss")
    assert "filterkit add classic" in str(caught.value.hint)


@pytest.mark.zoo
def test_adding_brings_the_weights_back(copy: Path, zoo_model: Callable[[str], Path]) -> None:
    zoo_model("vgg16")
    before = list(contents(copy))
    code, _, stderr = run("add", "vgg16")
    assert code == 0
    assert "restored its missing weights" in stderr
    assert list(contents(copy)) == before
    with filterkit.open(copy) as bench:
        row = bench.filters("vgg16/block1_conv1/5")[0]
        assert np.abs(bench.bank("vgg16/block1_conv1/5")).sum() == pytest.approx(row["l1_norm"], rel=1e-6)
    assert run("show", "vgg16/block1_conv1/0:6")[0] == 0


@pytest.mark.zoo
def test_a_fresh_build_has_the_same_rows(tmp_path: Path, zoo_model: Callable[[str], Path]) -> None:
    zoo_model("vgg16")
    spec = importlib.util.spec_from_file_location("make_example", ROOT / "docs" / "make_example.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.make(tmp_path / "fresh.db")
    for (table, columns, fresh), (_, kept_columns, kept) in zip(
        contents(tmp_path / "fresh.db"), contents(EXAMPLE), strict=True
    ):
        assert columns == kept_columns, f"{table}: run python docs/make_example.py"
        assert len(fresh) == len(kept), table
        nearest = columns.index("classic_kernel") if "classic_kernel" in columns else None
        ties = 0
        for one, other in zip(fresh, kept, strict=True):
            for place, (ours, theirs) in enumerate(zip(one, other, strict=True)):
                if place == nearest and ours != theirs:
                    ties += 1
                else:
                    single = columns[place] in SINGLE
                    assert same(ours, theirs, single), f"{table}: run python docs/make_example.py"
        assert ties <= len(kept) // 1000, "of two kernels equally near, either may be told; of few filters"


SINGLE = ("classic_score", "redundancy", "orthogonality", "stable_rank", "log_norm", "log_spectral_norm")
"""Columns that are computed in float32."""


def same(one: object, other: object, single: bool) -> bool:
    """Equal; sums of many numbers may differ in their last digits from machine to machine."""
    if isinstance(one, float) and isinstance(other, float):
        relative, absolute = (1e-5, 1e-7) if single else (1e-9, 1e-12)
        return math.isclose(one, other, rel_tol=relative, abs_tol=absolute)
    return one == other
