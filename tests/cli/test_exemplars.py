"""``filterkit exemplars``: rows, pictures and errors."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from command_line import Run
from observed_net import observe_net
from PIL import Image


@pytest.fixture(autouse=True)
def net(tmp_path: Path) -> None:
    observe_net(tmp_path)


def test_rows(run: Run) -> None:
    rows = run("exemplars", "net/conv/1", "--top", "3", "--format", "json").rows
    assert list(rows[0]) == [
        *("address", "rank", "value", "image", "sha256", "label", "y", "x", "box", "at_border"),
    ]
    assert [row["rank"] for row in rows] == [1, 2, 3]
    assert rows[0]["value"] >= rows[1]["value"] >= rows[2]["value"]
    lowest = run("exemplars", "net/last/1", "--lowest", "--format", "json").rows
    assert lowest[0]["value"] <= lowest[-1]["value"] < rows[-1]["value"]


def test_files(run: Run) -> None:
    ran = run("exemplars", "net/conv", "-o", "a.png", "--format", "json")
    assert ran.stderr == "wrote a.png\n"
    with Image.open("a.png") as found:
        assert found.size[0] > 300
    run("exemplars", "net/conv", "-o", "a.txt", "--quiet")
    assert len(Path("a.txt").read_text(encoding="utf-8").splitlines()) > 4
    run("exemplars", "net/conv", "-o", "a.svg", "--quiet")
    assert Path("a.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_pictures_that_moved(run: Run) -> None:
    shutil.move("pictures", "moved")
    status, message, hint = run("exemplars", "net/conv", "-o", "a.png").failure
    assert (status, message.startswith("none of the 6 pictures was found, e.g. ")) == (1, True)
    assert hint == "--pictures FOLDER finds them by their content, wherever they are"
    Path("moved/class0/0.png").unlink()
    ran = run("exemplars", "net/conv", "-o", "a.png", "--pictures", "moved", "--format", "json")
    wrote, missing = ran.stderr.splitlines()
    assert wrote == "wrote a.png"
    assert missing.startswith("1 picture was not found, e.g. ")
    assert len(ran.rows) == 24


def test_with_a_method(run: Run) -> None:
    plain = run("exemplars", "net/conv/0:2", "--top", "2", "-o", "a.png", "--format", "json")
    ran = run(
        "exemplars", "net/conv/0:2", "--top", "2", "-o", "b.png", "--format", "json", "--method", "gradient"
    )
    assert ran.rows == plain.rows
    assert ran.stderr == "wrote b.png\n"
    with Image.open("a.png") as alone, Image.open("b.png") as pairs:
        assert pairs.size != alone.size
    ran = run("exemplars", "net/conv/0", "--top", "5", "-o", "c.png", "--method", "integrated-gradients")
    assert ran.stderr.count(" baseline, ") == 3  # of five
    lowest = run("exemplars", "net/conv/3", "--lowest", "-o", "d.png", "--method", "gradient")
    assert ": the response is 0 after the activation, and so is the attribution" in lowest.stderr


def test_provider_and_threads_of_the_method(run: Run) -> None:
    asked = ("exemplars", "net/conv/0", "-o", "a.png", "--provider", "cpu", "--threads", "1")
    assert run(*asked, "--method", "gradient").stderr.startswith("wrote a.png\n")
    assert run(*asked).failure == (
        *(2, "--provider has no effect without --method", "only the method runs the network"),
    )


def test_a_method_without_a_picture(run: Run) -> None:
    assert run("exemplars", "net/conv", "--method", "gradient").failure == (
        *(2, "--method has no effect without a picture", "name a file: -o FILE.png"),
    )
    assert run("exemplars", "net/conv", "--method", "nope", "-o", "a.png").failure[0] == 2


def test_errors(run: Run) -> None:
    assert run("exemplars", "net/conv", "--observation", "x").failure == (
        *(1, "net has no observation 'x'", "known: pictures"),
    )
    assert run("exemplars", "net/conv", "--quality", "3").failure[0] == 2
