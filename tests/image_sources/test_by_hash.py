"""Pictures are found by their content, and nothing else is taken for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from filterkit.image_sources.by_hash import PicturesByHash, content_hash
from filterkit.image_sources.files import image_file


def test_at_their_path_or_elsewhere(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.write_bytes(b"content")
    there.write_bytes(b"content")
    wanted = content_hash(b"content")
    assert PicturesByHash().find(str(here), wanted) == b"content"
    here.write_bytes(b"changed")
    assert PicturesByHash().find(str(here), wanted) is None
    unreadable = image_file(tmp_path / "nothing")
    found = PicturesByHash([unreadable, image_file(here), image_file(there)])
    assert found.find(str(here), wanted) == b"content"
    there.write_bytes(b"changed, too")  # after it was hashed
    assert found.find(str(here), wanted) is None
    assert found.find("\0", wanted) is None


def test_arrays_are_hashed_with_their_types_and_shapes() -> None:
    array = np.arange(6, dtype=np.uint8)
    others = [array.reshape(2, 3), array.view(np.int8), array[:5], {"x": array}, {"y": array}]
    assert len({content_hash(each) for each in (array, *others)}) == 6  # type: ignore[arg-type]
    assert content_hash(array.reshape(2, 3).T) == content_hash(array.reshape(2, 3).T.copy())
