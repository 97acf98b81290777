"""Examining the installation, the catalog and its store."""

from __future__ import annotations

import shutil
from pathlib import Path

from small_network import write_network

import filterkit


def test_all_is_well(small: filterkit.Workbench) -> None:
    report = small.examine()
    assert report["faults"] == []
    assert report["versions"]["cnn-filterkit"] == filterkit.__version__
    assert report["catalog"]["path"] == str(small.path)
    assert {"providers", "store", "plugins"} < set(report)


def test_a_missing_bank_is_a_fault_with_a_remedy(small_catalog: Path, tmp_path: Path) -> None:
    shutil.copytree(small_catalog.parent, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "catalog.store" / "banks")
    with filterkit.open(tmp_path / "copy" / "catalog.db") as bench:
        faults = bench.examine()["faults"]
    assert faults and all(each["what"] and each["do"] for each in faults)
    assert any("filterkit add" in each["do"] for each in faults)


def test_recovering_a_sound_catalog_changes_nothing(small_catalog: Path, tmp_path: Path) -> None:
    shutil.copytree(small_catalog.parent, tmp_path / "copy")
    with filterkit.open(tmp_path / "copy" / "catalog.db") as bench:
        before = bench.models()
        bench.recover()
        assert bench.models() == before


def test_a_folder_in_place_of_a_visualization(bench: filterkit.Workbench, tmp_path: Path) -> None:
    """Only files are proposed for removal, and removed with the model."""
    bench.add(write_network(tmp_path / "net.onnx"))
    folder = bench.catalog().store.folder
    shelf = folder / "visualizations" / next((folder / "models").iterdir()).name
    mine, file = shelf / f"{'a' * 32}.bin" / "mine.txt", shelf / f"{'b' * 32}.bin"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    file.write_bytes(b"no picture")
    assert [fault["do"] for fault in bench.examine()["faults"]] == [
        f"move the folder {mine.parent} elsewhere: filterkit did not create it",
        f"rm {file}",
    ]
    bench.remove("net")
    assert mine.read_text() == "mine"
    assert not file.exists()
