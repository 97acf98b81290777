"""What all commands share: options, exit codes, pipes, and what they do not import."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Run


@pytest.mark.parametrize("words", [["shwo"], ["show"], ["--nonsense"], ["models", "--formt", "json"]])
def test_wrong_use_exits_with_2_and_says_so_on_stderr(spawn: Run, words: list[str]) -> None:
    ran = spawn(*words)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.skipif(os.name == "nt", reason="needs a shell with pipes")
@pytest.mark.zoo
def test_a_reader_that_has_seen_enough(catalog: Path) -> None:
    command = "set -o pipefail; python -m filterkit filters vgg16 --format {} | head -n 1"
    for name in ("csv", "tsv", "ndjson", "json", "table"):
        done = subprocess.run(
            ["bash", "-c", command.format(name).replace("python", sys.executable, 1)],
            capture_output=True,
            encoding="utf-8",
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, "" if name != "table" else done.stderr), name
        assert "Traceback" not in done.stderr
        assert "Broken" not in done.stderr
        assert len(done.stdout.splitlines()) == 1


@pytest.mark.skipif(os.name == "nt", reason="needs a shell with pipes")
def test_writing_to_a_full_disk_is_reported(classic: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m filterkit layers classic --format csv > /dev/full"],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["ndjson", "csv"])
def test_rows_are_data_and_words_go_elsewhere(spawn: Run, classic: Path, name: str) -> None:
    ran = spawn("layers", "classic", "--format", name)
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert len(ran.stdout.splitlines()) == 13 + (name == "csv")


def test_quiet_says_nothing_but_errors(run: Run) -> None:
    ran = run("add", "classic", "--quiet", "--format", "json")
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert json.loads(ran.stdout)[0]["model"] == "classic"
    assert run("layers", "clasic", "--quiet").failure[0] == 1


def test_debug_shows_where_it_happened(spawn: Run, classic: Path) -> None:
    plain = spawn("layers", "clasic")
    assert "Traceback" not in plain.stderr
    debug = spawn("layers", "clasic", "--debug")
    assert "Traceback" in debug.stderr
    assert "NotFoundError" in debug.stderr
    assert debug.exit_code == plain.exit_code == 1
    wrong = spawn("layers", "classic", "--format", "cvs", "--debug")
    assert "Traceback" in wrong.stderr
    assert (wrong.exit_code, wrong.stdout) == (2, "")


def test_the_catalog_is_chosen_by_option_then_variable_then_folder(run: Run, tmp_path: Path) -> None:
    run("add", "classic", "--name", "here")
    run("add", "classic", "--name", "there", "--catalog", tmp_path / "there.db")

    def names(*words: object) -> list[str]:
        return [row["model"] for row in run("models", "--format", "json", *words).rows]

    with pytest.MonkeyPatch.context() as patch:
        assert names() == ["here"]
        patch.setenv("FILTERKIT_CATALOG", str(tmp_path / "there.db"))
        assert names() == ["there"]
        assert names("--catalog", tmp_path / "catalog.db") == ["here"]
        assert names("--catalog", f"sqlite:///{tmp_path / 'there.db'}") == ["there"]


@pytest.mark.parametrize("url", ["postgresql://localhost/x", "sqlite:///nowhere/at/all.db", "missing.db"])
def test_catalogs_that_are_none(run: Run, url: str) -> None:
    code, _, hint = run("models", "--catalog", url).failure
    assert code in (1, 2)
    assert hint


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root can write everywhere")
def test_a_read_only_folder_can_be_read(run: Run, classic: Path) -> None:
    folder = classic.parent
    folder.chmod(0o555)
    try:
        assert len(run("layers", "classic", "--format", "json").rows) == 13
        code, error, _ = run("add", "classic", "--name", "more").failure
        assert code == 1
        assert "catalog.db" in error
    finally:
        folder.chmod(0o755)


@pytest.mark.parametrize(
    "words",
    [
        ["show", "classic/emboss", "-o", "taken/emboss.png"],
        ["show", "classic/edge_*", "-o", "taken/edges"],
        ["export", "classic/emboss", "-o", "taken/bank.npy"],
        ["export", "classic/emboss", "-o", "taken/bank.safetensors"],
        ["convolve", "classic/emboss", "photo.png", "-o", "taken/maps.npz"],
        ["quickstart", "taken"],
    ],
)
def test_places_where_nothing_can_be_written(run: Run, classic: Path, photo: Path, words: list[str]) -> None:
    Path("taken").write_text("a file where a folder is wanted")
    ran = run(*words)
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert "taken" in ran.stderr
    assert "unexpected" not in ran.stderr
    assert "bug in filterkit" not in ran.stderr


@pytest.mark.parametrize(
    ("words", "error", "helped"),
    [
        (["modles"], "no such command 'modles'. Did you mean 'models'?", "filterkit"),
        (["plugins", "shwo"], "no such command 'shwo'", "filterkit plugins"),
        (["models", "--frmat", "json"], "no such option: --frmat", "filterkit models"),
        (["show"], "missing argument 'address'", "filterkit show"),
        (
            ["maps", "a", "b", "--at", "mid"],
            "invalid value for '--at': 'mid' is not one of",
            "filterkit maps",
        ),
    ],
)
def test_wrong_use_is_said_like_every_other_error(
    run: Run, words: list[str], error: str, helped: str
) -> None:
    code, said, hint = run(*words).failure
    assert code == 2
    assert said.startswith(error.split(". ")[0])
    assert hint.startswith(f"see {helped} --help")


def test_a_common_option_before_the_command(run: Run) -> None:
    code, said, hint = run("--catalog", "other.db", "models").failure
    assert code == 2
    assert said == "no such option: --catalog"
    assert "filterkit models --catalog" in hint


@pytest.mark.skipif(os.name != "posix", reason="a POSIX shell closes stderr")
def test_nothing_but_data_comes_out_where_stderr_is_closed(classic_catalog: Path) -> None:
    line = f'"{sys.executable}" -m filterkit models --format csv --catalog "{classic_catalog}" 2>&-'
    done = subprocess.run(["sh", "-c", line], stdout=subprocess.PIPE, encoding="utf-8", timeout=60)
    assert (done.returncode, done.stdout.splitlines()[0].split(",")[0]) == (0, "model")


@pytest.mark.skipif(os.name != "posix", reason="a POSIX shell closes stdout")
@pytest.mark.parametrize("closed", [">&-", "<&- >&-", "<&- >&- 2>&-"])
def test_with_stdout_closed_rows_go_nowhere(classic_catalog: Path, closed: str) -> None:
    before = classic_catalog.read_bytes()
    line = f'"{sys.executable}" -m filterkit models --quiet --catalog "{classic_catalog}" {closed}'
    done = subprocess.run(["sh", "-c", line], capture_output=True, encoding="utf-8", timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert classic_catalog.read_bytes() == before
