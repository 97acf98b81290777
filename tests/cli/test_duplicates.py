"""``filterkit duplicates``: groups, savings and wrong use."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Run


@pytest.mark.zoo
def test_the_twins_of_vgg16(run: Run, catalog: Path) -> None:
    [row] = run("duplicates", "--format", "json").rows
    assert list(row) == [
        *("address", "model", "layer", "filters", "size", "min_cosine", "bias_shift"),
        *("parameters_saved", "macs_saved"),
    ]
    assert (row["address"], row["filters"], row["size"]) == ("vgg16/block1_conv1/35,60", [35, 60], 2)
    assert row["min_cosine"] == pytest.approx(0.99322719, abs=1e-7)
    assert (row["parameters_saved"], row["macs_saved"]) == (28, 224 * 224 * 27)
    more = run("duplicates", "vgg16/block1_*", "--threshold", 0.9, "--invariant", "sign", "--format", "json")
    assert len(more.rows) > 10
    assert min(row["min_cosine"] for row in more.rows) >= 0.9
    table = run("duplicates", "vgg16/block1_conv1")
    assert max(map(len, table.stdout.splitlines())) <= 80


def test_no_duplicates(run: Run, classic: Path) -> None:
    assert run("duplicates", "--format", "json").rows == []


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (["clasic"], 1, "there is no model 'clasic'"),
        (["classic/*/0/0"], 2, "duplicates are whole filters"),
        (["--threshold", "0"], 2, "threshold must be above 0 and at most 1, not 0"),
        (["--invariant", "flip"], 2, "there is no invariance 'flip'"),
    ],
)
def test_wrong_use(run: Run, classic: Path, words: list[str], code: int, error: str) -> None:
    failed, said, _ = run("duplicates", *words).failure
    assert (failed, said[: len(error)]) == (code, error)


def test_a_threshold_out_of_range(run: Run, classic: Path) -> None:
    ran = run("duplicates", "--threshold", "1.5")
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "--threshold" in ran.stderr
