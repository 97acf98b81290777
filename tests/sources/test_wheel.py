"""One file out of a wheel: real wheels, real pip, an index that is a folder."""

from __future__ import annotations

import base64
import hashlib
import os
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from filterkit.errors import NotFoundError, SourceError, UsageError
from filterkit.records import FetchedModel
from filterkit.sources.pip_download import check_requirement
from filterkit.sources.wheel import WheelSource, parse_member
from filterkit.sources.zoo import ZooSource, known, names

MODEL = b"not really a network, but nobody looks into it here" * 1000


def build_wheel(folder: Path, *, version: str = "1.0", model: bytes = MODEL) -> Path:
    """A valid wheel of a package that holds two models and code that must never run."""
    info = f"small_net-{version}.dist-info"
    members = {
        "small_net/__init__.py": b"raise SystemExit('the package was run')",
        "small_net/models/small.onnx": model,
        "small_net/models/other.onnx": b"other",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: small-net\nVersion: {version}\n".encode()
        + b"Requires-Python: >=99\nRequires-Dist: does-not-exist-anywhere\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip('=')},"
        f"{len(data)}\n"
        for name, data in members.items()
    )
    path = folder / f"small_net-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        archive.writestr(f"{info}/RECORD", record + f"{info}/RECORD,,\n")
    return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is pip's only index, configured as a user would, and an empty cache."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name in list(os.environ):
        if name.startswith("PIP_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("FILTERKIT_CACHE", str(tmp_path / "cache"))
    return folder


def fetch(ref: str, tmp_path: Path, report: list[tuple[str, int, int | None]] | None = None) -> FetchedModel:
    workdir = tmp_path / f"work-{len(list(tmp_path.iterdir()))}"
    workdir.mkdir()
    return WheelSource().fetch(ref, workdir, lambda *state: report is None or report.append(state))


REF = "small-net==1.0!small_net/models/small.onnx"
MODEL_HASH = hashlib.sha256(MODEL).hexdigest()


def test_takes_the_member_out_and_keeps_it(index: Path, tmp_path: Path) -> None:
    wheel = build_wheel(index)
    report: list[tuple[str, int, int | None]] = []
    fetched = fetch(REF, tmp_path, report)
    assert fetched.onnx_path.read_bytes() == MODEL
    assert fetched.onnx_path.name == "small.onnx"
    assert fetched.onnx_path.is_relative_to(tmp_path)
    assert MODEL_HASH in fetched.origin
    assert wheel.name in fetched.origin
    assert report[-1] == ("downloading small-net==1.0", wheel.stat().st_size, None)
    assert "small_net" not in sys.modules

    wheel.unlink()  # from now on only the cache can help
    assert fetch(REF, tmp_path).onnx_path.read_bytes() == MODEL


@pytest.mark.parametrize("of", ["member", "wheel"])
def test_the_hash_may_be_that_of_the_member_or_of_the_wheel(of: str, index: Path, tmp_path: Path) -> None:
    wheel = build_wheel(index)
    digest = MODEL_HASH if of == "member" else hashlib.sha256(wheel.read_bytes()).hexdigest()
    for _ in range(2):  # downloaded, then from the cache
        assert fetch(f"{REF}#sha256={digest.upper()}", tmp_path).onnx_path.read_bytes() == MODEL


def test_a_wrong_hash_says_both_and_keeps_nothing(index: Path, tmp_path: Path) -> None:
    build_wheel(index)
    with pytest.raises(SourceError, match=f"expected sha256 {'0' * 64}, got {MODEL_HASH}"):
        fetch(f"{REF}#sha256={'0' * 64}", tmp_path)
    assert not list((tmp_path / "cache").rglob("*.*"))


def test_a_wrong_hash_is_noticed_in_the_cache_too(index: Path, tmp_path: Path) -> None:
    build_wheel(index)
    fetch(REF, tmp_path)
    with pytest.raises(SourceError, match="expected sha256"):
        fetch(f"{REF}#sha256={'0' * 64}", tmp_path)


@pytest.mark.parametrize("damage", [b"", b"something else entirely"])
def test_a_broken_copy_is_fetched_again(damage: bytes, index: Path, tmp_path: Path) -> None:
    build_wheel(index)
    fetch(REF, tmp_path)
    for kept in (tmp_path / "cache").rglob("*.onnx"):
        kept.write_bytes(damage)
    assert fetch(REF, tmp_path).onnx_path.read_bytes() == MODEL
    for receipt in (tmp_path / "cache").rglob("*.json"):
        receipt.write_bytes(damage)
    assert fetch(REF, tmp_path).onnx_path.read_bytes() == MODEL


def test_what_is_not_pinned_is_asked_for_anew(index: Path, tmp_path: Path) -> None:
    build_wheel(index)
    ref = "small-net>=1!small_net/models/small.onnx"
    assert fetch(ref, tmp_path).onnx_path.read_bytes() == MODEL
    build_wheel(index, version="1.1", model=b"newer")
    assert fetch(ref, tmp_path).onnx_path.read_bytes() == b"newer"


def test_several_at_once(index: Path, tmp_path: Path) -> None:
    build_wheel(index)
    results: list[bytes] = []

    def work(number: int) -> None:
        workdir = tmp_path / f"at-once-{number}"
        workdir.mkdir()
        results.append(WheelSource().fetch(REF, workdir, lambda *_: None).onnx_path.read_bytes())

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [MODEL] * 3
    assert len(list((tmp_path / "cache").rglob("*.onnx"))) == 1


def test_an_unknown_member_names_the_models_there_are(index: Path, tmp_path: Path) -> None:
    build_wheel(index)
    with pytest.raises(NotFoundError, match="contains no") as caught:
        fetch("small-net==1.0!small_net/models/smal.onnx", tmp_path)
    assert "'small_net/models/small.onnx'" in (caught.value.hint or "")


def test_no_such_package_is_one_line_with_pips_own_word(index: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"No matching distribution found for small-net==1\.0") as caught:
        fetch(REF, tmp_path)
    assert "\n" not in str(caught.value)
    assert "filterkit add classic" in (caught.value.hint or "")


def test_an_index_that_does_not_answer_is_told_from_a_package_that_is_not_there(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # where nobody listens
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(SourceError, match=r"index does not respond: .*refused") as caught:
        fetch(REF, tmp_path)
    assert "filterkit add classic" in (caught.value.hint or "")


@pytest.mark.parametrize("damage", [bytes(40), b"\xff" * 40])  # a wrong sum, and what is no compressed data
def test_a_broken_wheel(damage: bytes, index: Path, tmp_path: Path) -> None:
    wheel = build_wheel(index)
    whole = wheel.read_bytes()
    start = whole.index(b"small_net/models/small.onnx") + len(b"small_net/models/small.onnx")
    wheel.write_bytes(whole[:start] + damage + whole[start + len(damage) :])
    with pytest.raises(SourceError, match="is not a readable wheel"):
        fetch(REF, tmp_path)


def test_a_cache_that_cannot_be_written(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_wheel(index)
    occupied = tmp_path / "a-file"
    occupied.touch()
    monkeypatch.setenv("FILTERKIT_CACHE", str(occupied))
    with pytest.raises(SourceError, match="cache folder") as caught:
        fetch(REF, tmp_path)
    assert "FILTERKIT_CACHE" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "requirement",
    [
        "-r requirements.txt",
        "--index-url=x",
        "https://example.org/a.whl",
        "./folder",
        "../a",
        "a.whl",
        "a @ file:///a",
        "a[b]==1",
        "a; python_version>'3'",
        "a==1 --no-deps",
        "",
        "C:\\a",
    ],
)
def test_nothing_but_a_package_reaches_pip(requirement: str) -> None:
    with pytest.raises(UsageError):
        check_requirement(requirement)


def test_reads_the_grammar() -> None:
    member = parse_member(f"some-net >= 1, != 1.5!a/b.onnx#sha256={MODEL_HASH}")
    assert (member.requirement, member.path, member.sha256) == ("some-net>=1,!=1.5", "a/b.onnx", MODEL_HASH)
    assert parse_member("a!b.onnx").is_pinned is False
    assert parse_member("a==1.*!b.onnx").is_pinned is False
    assert parse_member("a==1!b.onnx").is_pinned is True


@pytest.mark.parametrize(
    "ref", ["", "a==1", "a==1!", "!b.onnx", "a!b.txt", "a!b.onnx#md5=0", "a!b.onnx#sha256=0"]
)
def test_refuses_what_is_not_the_grammar(ref: str) -> None:
    with pytest.raises(UsageError):
        parse_member(ref)


def test_the_zoo_says_what_works_without_an_index(index: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        ZooSource().fetch("mnist-cnn", tmp_path, lambda *_: None)
    assert "filterkit add classic" in (caught.value.hint or "")
    assert [row["name"] for row in known()] == list(names())
    assert not any(row["cached"] for row in known())
