"""The folder of an export: complete or as before, and files of others stay."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from command_line import files_below

from filterkit.errors import UsageError
from filterkit.web.site_folder import MANIFEST, check_folder, replacing_folder, write, write_manifest


def export(folder: Path, **files: str) -> None:
    with replacing_folder(folder) as new:
        hashes = {f"{name}.html": write(new, f"{name}.html", text.encode()) for name, text in files.items()}
        write_manifest(new, {"made_by": "x"}, hashes)


def test_a_new_folder_and_its_parents(tmp_path: Path) -> None:
    export(tmp_path / "a" / "b", index="1")
    assert files_below(tmp_path) == {"a/b/index.html", f"a/b/{MANIFEST}"}
    manifest = json.loads((tmp_path / "a" / "b" / MANIFEST).read_text())
    assert manifest["files"] == {
        "index.html": "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"
    }


def test_an_empty_folder_and_an_earlier_export_are_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    export(folder, index="1", old="2")
    export(folder, index="3", new="4")
    assert files_below(tmp_path) == {"site/index.html", "site/new.html", f"site/{MANIFEST}"}
    assert (folder / "index.html").read_text() == "3"


def test_files_of_others_and_changed_ones_stay(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    export(folder, index="1", old="2")
    (folder / "old.html").write_text("changed")
    (folder / "mine").mkdir()
    (folder / "mine" / "notes.txt").write_text("mine")
    export(folder, index="3")
    assert (folder / "old.html").read_text() == "changed"
    assert (folder / "mine" / "notes.txt").read_text() == "mine"
    assert (folder / "index.html").read_text() == "3"


def test_a_changed_file_is_not_overwritten(tmp_path: Path) -> None:
    export(tmp_path / "site", index="1")
    (tmp_path / "site" / "index.html").write_text("changed")
    with pytest.raises(UsageError, match="was changed, and would be overwritten"):
        export(tmp_path / "site", index="2")
    assert (tmp_path / "site" / "index.html").read_text() == "changed"
    assert files_below(tmp_path) == {"site/index.html", f"site/{MANIFEST}"}


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_what_is_interrupted_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    export(tmp_path / "site", index="1")
    with pytest.raises(error), replacing_folder(tmp_path / "site") as new:
        write(new, "index.html", b"2")
        raise error
    assert files_below(tmp_path) == {"site/index.html", f"site/{MANIFEST}"}
    assert (tmp_path / "site" / "index.html").read_text() == "1"


def test_other_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("1")
    with pytest.raises(UsageError, match="not empty, and no earlier export"):
        export(tmp_path / "thesis", index="1")
    assert files_below(tmp_path) == {"thesis/chapter.txt"}
    with pytest.raises(UsageError, match="is not a folder"):
        check_folder(tmp_path / "thesis" / "chapter.txt")


@pytest.mark.parametrize(
    "manifest", ["", "[]", "{}", '{"files": []}', '{"files": 1}', "[" * 100_000, "\udcff", '{"files"'],
)  # fmt: skip
def test_manifests_of_others_are_refused(tmp_path: Path, manifest: str) -> None:
    (tmp_path / MANIFEST).write_bytes(manifest.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError, match="is not the manifest of an export"):
        check_folder(tmp_path)


def test_a_manifest_leads_to_nothing_outside(tmp_path: Path) -> None:
    """What it lists is only looked up among the files that are there."""
    (tmp_path / "secret.html").write_text("1")
    digest = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"
    folder = tmp_path / "site"
    export(folder, index="1")
    names = {"../secret.html": digest, str(tmp_path / "secret.html"): digest, "index.html": digest}
    write_manifest(folder, {}, names)
    export(folder, index="2")
    assert (tmp_path / "secret.html").read_text() == "1"


@pytest.mark.skipif(os.name == "nt", reason="links need a right on Windows")
def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "other")
    with pytest.raises(UsageError, match="is a link, which is not followed"):
        export(tmp_path / "link", index="1")
    export(tmp_path / "site", index="1")
    (tmp_path / "site" / "m").symlink_to(tmp_path / "other")
    with pytest.raises(UsageError, match="is a link or no file"):
        export(tmp_path / "site", index="2")
    assert files_below(tmp_path / "other") == set()
