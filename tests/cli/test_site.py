"""``filterkit site``: what it says, and where it writes nothing. Its pages are tested in ``tests/web``."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import Run, files_below


@pytest.fixture
def classic(classic_catalog: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILTERKIT_CATALOG", str(classic_catalog))


@pytest.mark.usefixtures("classic")
def test_an_export(run: Run, tmp_path: Path) -> None:
    done = run("site", "classic/edge_*", "-o", "paper")
    assert (done.exit_code, done.stdout) == (0, "")
    about, wrote = done.stderr.splitlines()
    assert about.startswith("about ") and about.endswith(" MB")
    count = len(files_below(tmp_path / "paper"))
    assert wrote.startswith(f"wrote {count} files, ") and wrote.endswith(
        f"open {Path('paper', 'index.html')}"
    )
    assert (tmp_path / "paper" / "index.html").read_text().startswith("<!doctype html>")
    assert not (tmp_path / "paper" / "m" / "classic" / "edge_sobel_x" / "0").exists()


@pytest.mark.usefixtures("classic")
def test_a_dry_run_writes_nothing(run: Run, tmp_path: Path) -> None:
    rows = run("site", "classic", "--kernels", "-o", "paper", "--dry-run", "--format", "json").rows
    assert [(row["pages"], row["count"]) for row in rows] == [
        ("models", 1), ("layers", 13), ("filters", 13), ("kernels", 13),
    ]  # fmt: skip
    assert all(row["files"] > 0 and row["size"] > 0 for row in rows)
    assert [*tmp_path.iterdir()] == []


@pytest.mark.usefixtures("classic")
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["vgg16", "-o", "paper"], 1, "no model"),
        (["classic/x*", "-o", "paper"], 1, "no layer"),
        (["classic/edge_sobel_x/5", "-o", "paper"], 1, "out of range"),
        (["classic", "-o", "thesis"], 2, "not empty, and no earlier export"),
        (["classic", "-o", "thesis/chapter.txt"], 2, "is not a folder"),
    ],
)
def test_what_is_refused(run: Run, tmp_path: Path, words: list[str], code: int, message: str) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("1")
    exit_code, error, hint = run("site", *words).failure
    assert exit_code == code and message in error and hint
    assert files_below(tmp_path) == {"thesis/chapter.txt"}


@pytest.mark.parametrize("package", ["starlette", "jinja2", "markupsafe"])
def test_without_the_extra(package: str, tmp_path: Path) -> None:
    code = f"import sys; sys.modules[{package!r}] = None; from filterkit.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "site", "x", "-o", "y"],
        cwd=tmp_path, capture_output=True, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"error: the explorer needs {package}, which is not installed",
        "hint: pip install 'cnn-filterkit[web]'",
    ]


@pytest.mark.skipif(os.name == "nt", reason="there is no such terminal")
@pytest.mark.usefixtures("classic")
@pytest.mark.parametrize(
    ("answer", "options", "written"), [("n", [], False), ("y", [], True), ("", ["--yes"], True)]
)
def test_a_large_export_asks_first(tmp_path: Path, answer: str, options: list[str], written: bool) -> None:
    code = (
        "from filterkit.web import site_export; site_export.LARGE_FILES = 10\n"
        "from filterkit.cli import main; main()"
    )
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", code, "site", "classic/edge_sobel_x", "-o", "paper", *options],
        stdin=theirs, stdout=theirs, stderr=theirs, cwd=tmp_path,
    )  # fmt: skip
    os.close(theirs)
    if answer:
        os.write(ours, f"{answer}\n".encode())
    shown = b""
    while True:
        try:
            shown += os.read(ours, 4096)
        except OSError:  # the other end was closed
            break
    os.close(ours)
    assert (process.wait(60) == 0) == written
    assert (b"Write them?" in shown) == bool(answer)
    assert (tmp_path / "paper").exists() == written


@pytest.mark.skipif(os.name == "nt", reason="sends the signal of Ctrl-C")
@pytest.mark.usefixtures("classic")
def test_ctrl_c(tmp_path: Path) -> None:
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # else ignored, perhaps
        "from filterkit.cli import main; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, "site", "classic", "--kernels", "-o", "paper"],
        stderr=subprocess.PIPE, encoding="utf-8", cwd=tmp_path,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not any(path.name.endswith(".part") for path in tmp_path.iterdir()):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "interrupted"
    assert [*tmp_path.iterdir()] == []
