"""``filterkit ablate``: rows, messages, pictures and errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from classifier import add_classifier
from command_line import Run, size_of, write_photo
from onnx_graphs import random

COLUMNS = ["address", "target", "before", "after", "change", "rank", "images"]


@pytest.fixture(autouse=True)
def net(tmp_path: Path) -> None:
    add_classifier(tmp_path, filters=30)


def test_rows(run: Run, photo: Path) -> None:
    ran = run("ablate", "net/conv", photo, "--format", "json")
    assert list(ran.rows[0]) == COLUMNS
    assert len(ran.rows) == 20
    assert [row["rank"] for row in ran.rows] == [*range(1, 21)]
    for row in ran.rows:
        assert row["after"] - row["before"] == pytest.approx(row["change"])
    assert "before the final Softmax; --after-softmax takes the probability" in ran.stderr
    some = run("ablate", "net/conv", photo, "--top", "3", "--format", "json").rows
    assert some == ran.rows[:3]
    assert len(run("ablate", "net/conv", photo, "--top", "99", "--format", "json").rows) == 30


def test_estimates_report_their_agreement(run: Run, photo: Path) -> None:
    ran = run("ablate", "net/conv", photo, "--target", "net@0:1", "--estimate")
    assert ran.exit_code == 0
    assert (
        "rank correlation with the exact ones, for 30 filters and the first picture: 1.000 (Spearman)"
        in ran.stderr
    )
    same = run("ablate", "net/conv/0", photo, "--estimate")
    assert "the estimates cannot be compared with exact changes" in same.stderr
    quiet = run("ablate", "net/conv/0", photo, "--estimate", "--quiet")
    assert quiet.stderr == ""


def test_pictures(run: Run, photo: Path) -> None:
    for name in ("a.png", "a.svg", "a.txt"):
        ran = run("ablate", "net/conv", photo, "-o", name, "--top", "4")
        assert f"wrote {name}\n" in ran.stderr
        assert Path(name).stat().st_size > 100
    assert size_of(Path("a.png"))[0] > 400
    run("ablate", "net/conv", photo, "-o", "folder/")
    assert Path("folder/ablate.png").is_file()


def test_addresses_from_another_command(run: Run, photo: Path) -> None:
    rows = run("ablate", "net/conv", photo, "--top", "2", "--format", "ndjson").stdout
    again = run("ablate", "-", photo, "--format", "json", piped=rows).rows
    assert [row["rank"] for row in again] == [1, 2]


def test_inputs_of_the_graph(run: Run) -> None:
    np.savez("inputs.npz", x=random(2, 3, 12, 12))
    rows = run("ablate", "net/conv", "--input", "inputs.npz", "--target", "net@0:0", "--format", "json").rows
    assert {row["images"] for row in rows} == {2}


def test_a_picture_that_cannot_be_read(run: Run, photo: Path) -> None:
    Path("broken.png").write_bytes(b"no picture")
    write_photo(Path("second.png"), seed=1)
    ran = run("ablate", "net/conv", photo, "broken.png", "second.png", "--format", "csv")
    assert ran.exit_code == 1
    assert len(ran.stdout.splitlines()) == 21
    assert "broken.png" in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "error", "hint"),
    [
        (["net/last", "PHOTO", "--target", "net/conv/0"], 2, "does not depend on net/last", "first output"),
        (["net/conv"], 2, "give either pictures or the inputs of the graph", "--input"),
        (["PHOTO", "net/conv"], 2, "is not an address", "filterkit ablate net/conv"),
        (["net/conv", "PHOTO", "--scale", "2"], 2, "no effect without one", "-o FILE.png"),
        (["net/conv", "PHOTO", "--target", "net@7"], 1, "has no output '7'", "y"),
        (["net/conv", "PHOTO", "--top", "0"], 2, "--top", "--help"),
        (["net/conv", "missing.png"], 1, "missing.png", ""),
        (["net/conv", "PHOTO", "-o", "a.png", "--normalizer", "none"], 2, "none", ""),
    ],
)
def test_errors(run: Run, photo: Path, arguments: list[str], code: int, error: str, hint: str) -> None:
    ran = run("ablate", *(photo if each == "PHOTO" else each for each in arguments))
    found_code, found_error, found_hint = ran.failure
    assert (found_code, error in found_error, hint in found_hint) == (code, True, True), ran


def test_pictures_of_which_none_can_be_read_are_reported_once(run: Run) -> None:
    for name in ("one.png", "two.png"):
        Path(name).write_bytes(b"no picture")
    ran = run("ablate", "net", "one.png", "two.png", "--target", "net/last/0")
    assert ran.exit_code == 1
    assert ran.stderr.count("one.png") == ran.stderr.count("two.png") == 1


def test_an_estimate_of_one_filter_has_no_order(run: Run, photo: Path) -> None:
    assert "it takes two filters" in run("ablate", "net/conv/0", photo, "--estimate").stderr
