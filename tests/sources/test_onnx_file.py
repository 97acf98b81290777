"""Files that are there already."""

from __future__ import annotations

from pathlib import Path

import pytest

from filterkit.errors import NotFoundError, UsageError
from filterkit.sources.onnx_file import OnnxFile


def fetch(ref: str, workdir: Path):  # type: ignore[no-untyped-def]
    return OnnxFile().fetch(ref, workdir, lambda *_: None)


def test_points_to_the_file_and_tells_only_its_name(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"anything")
    fetched = fetch(str(path), tmp_path)
    assert fetched.onnx_path == path
    assert fetched.origin == "file net.onnx"
    assert fetched.preprocessing is None


def test_a_relative_path_is_one_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.onnx").touch()
    monkeypatch.chdir(tmp_path)
    assert fetch("net.onnx", tmp_path / "work").onnx_path == tmp_path / "net.onnx"


def test_a_missing_file_names_what_lies_beside_it(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="does not exist") as caught:
        fetch(str(tmp_path / "resnet50.onnx"), tmp_path)
    assert "contains no ONNX file" in (caught.value.hint or "")
    (tmp_path / "resnet-50.onnx").touch()
    with pytest.raises(NotFoundError) as caught:
        fetch(str(tmp_path / "resnet50.onnx"), tmp_path)
    assert "'resnet-50.onnx'" in (caught.value.hint or "")
    with pytest.raises(NotFoundError) as caught:
        fetch(str(tmp_path / "nowhere" / "resnet50.onnx"), tmp_path)
    assert "does not exist either" in (caught.value.hint or "")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").touch()
    with pytest.raises(NotFoundError, match="is a folder") as caught:
        fetch(str(tmp_path), tmp_path)
    assert "net.onnx" in (caught.value.hint or "")


def test_nothing_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        fetch("", tmp_path)


def test_a_device_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="not a file"):
        fetch("/dev/null", tmp_path)
