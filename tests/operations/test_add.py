"""Adding a model: fetched, extracted, catalogued, and left alone where nothing changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_network import write_network

import filterkit


def test_what_was_added_is_returned_and_can_be_listed(bench: filterkit.Workbench, tmp_path: Path) -> None:
    result = bench.add(write_network(tmp_path / "net.onnx"))
    assert (result.status, result.layers, result.filters, result.kernels) == ("added", 2, 6, 20)
    assert [row["address"] for row in bench.layers()] == ["net/conv1", "net/conv2"]


def test_the_same_again_changes_nothing_and_other_content_needs_replace(
    bench: filterkit.Workbench, tmp_path: Path
) -> None:
    network = write_network(tmp_path / "net.onnx")
    assert bench.add(network).status == "added"
    assert bench.add(network).status == "unchanged"
    with pytest.raises(filterkit.FilterkitError, match="another model named net") as caught:
        bench.add("classic", name="net")
    assert caught.value.hint
    assert bench.add("classic", name="net", replace=True).status == "replaced"
    assert len(bench.layers("net")) == 13


@pytest.mark.parametrize(
    "wrong",
    [
        *({"name": "a/b"}, {"preprocessing": "cafe"}, {"extractors": ["none"]}),
        *({"metrics": ["none"]}, {"memory": "much"}),
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_wrong_request_is_refused_before_anything_is_fetched(
    bench: filterkit.Workbench, tmp_path: Path, wrong: dict[str, object]
) -> None:
    with pytest.raises(filterkit.UsageError):
        bench.add(tmp_path / "missing.onnx", **wrong)  # type: ignore[arg-type]
    assert not (tmp_path / "catalog.db").exists()
