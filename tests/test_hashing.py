"""Hashes and sizes of files, including files that change concurrently."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

from filterkit.hashing import bytes_below


def test_all_files_below_a_folder_count(tmp_path: Path) -> None:
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    for number, folder in enumerate((tmp_path, tmp_path / "deep", tmp_path / "deep" / "deeper")):
        (folder / "file").write_bytes(b"x" * 10**number)
    (tmp_path / "deep" / "nowhere").symlink_to(tmp_path / "missing")
    assert bytes_below(tmp_path) == 111
    assert bytes_below(tmp_path / "missing") == 0


def test_what_vanishes_meanwhile_does_no_harm(tmp_path: Path) -> None:
    """Another process, such as pip, deletes folders while they are being read."""
    for number in range(1500):
        (tmp_path / "all" / f"{number}" / "within").mkdir(parents=True)
        (tmp_path / "all" / f"{number}" / "within" / "file").write_bytes(b"x")
    deleting = threading.Thread(target=shutil.rmtree, args=[tmp_path / "all"])
    deleting.start()
    sizes = [1500]
    while deleting.is_alive():
        sizes.append(bytes_below(tmp_path))
    assert bytes_below(tmp_path) == 0
    assert max(sizes) == 1500
