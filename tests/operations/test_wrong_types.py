"""Arguments of the wrong type, or without content: one clear error each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import filterkit
from filterkit.errors import LayerNameError, NotFoundError
from filterkit.testing import tiny_catalog


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Without types, which would refuse these calls."""
    with filterkit.open(tiny_catalog(tmp_path_factory.mktemp("tiny"))) as opened:
        yield opened


@pytest.mark.parametrize("wrong", [3, None, ["plain"]])
@pytest.mark.parametrize(
    "method", ["filters", "layers", "stats", "duplicates", "bank", "stats_chart", "count_filters", "skipped"]
)
def test_an_address_is_text(bench: Any, method: str, wrong: object) -> None:
    with pytest.raises(filterkit.UsageError, match="address must be text, not") as caught:
        getattr(bench, method)(wrong)
    assert "model/layer/filters/kernels" in str(caught.value.hint)


def test_addresses_of_pairs_pictures_and_models_are_text(bench: Any) -> None:
    for call in (
        lambda: bench.diff("plain", ["plain"]),
        lambda: bench.feature_maps(3, "photo.png"),
        lambda: bench.convolve(None, "photo.png"),
        lambda: bench.similar("plain/conv1/0", 3),
    ):
        with pytest.raises(filterkit.UsageError, match="address must be text"):
            call()
    with pytest.raises(filterkit.UsageError, match="a model's name must be text, not 3"):
        bench.measure(3)


@pytest.mark.parametrize("method", ["filters", "group_filters"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": "3"}, "limit must be a whole number, not '3'"),
        ({"limit": 2.5}, "limit must be a whole number, not 2.5"),
        ({"limit": True}, "limit must be a whole number, not True"),
        ({"where": 3}, "a condition must be text, not 3"),
        ({"where": ["l2_norm > 1"]}, "a condition must be text"),
        ({"sort": True}, "sort must be text or a list of texts, not True"),
        ({"columns": 7}, "columns must be text or a list of texts, not 7"),
        ({"columns": [7]}, "each of columns must be text, not 7"),
        ({"columns": []}, "columns contains no name"),
        ({"columns": ","}, "columns contains no name"),
        ({"sort": ""}, "sort contains no name"),
    ],
)
def test_options_of_listings(bench: Any, method: str, options: dict[str, Any], message: str) -> None:
    by = {"by": "model"} if method == "group_filters" else {}
    with pytest.raises(filterkit.UsageError, match=message):
        getattr(bench, method)(**by, **options)


def test_options_of_comparisons(bench: Any) -> None:
    layer = "plain/conv1"
    for call, message in (
        (lambda: bench.diff(layer, layer, tolerance="x"), "tolerance must be a number, not 'x'"),
        (lambda: bench.diff(layer, layer, where=3), "a condition must be text"),
        (lambda: bench.diff(layer, layer, limit="3"), "limit must be a whole number"),
        (lambda: bench.duplicates(layer, threshold="x"), "threshold must be a number"),
        (lambda: bench.similar(f"{layer}/0", limit="3"), "limit must be a whole number"),
        (lambda: bench.similar(f"{layer}/0", limit=None), "limit must be a whole number"),
        (lambda: bench.query("SELECT 1", limit="3"), "limit must be a whole number"),
        (lambda: bench.filters(group_by=""), "group_by contains no name"),
        (lambda: bench.filters(group_by="model", agg=""), "agg contains no name"),
        (lambda: bench.registry.names("nope"), "there is no kind 'nope'"),
    ):
        with pytest.raises(filterkit.UsageError, match=message):
            call()


def test_integers_of_numpy_are_numbers(bench: Any) -> None:
    import numpy as np

    assert len(bench.filters(limit=np.int64(2))) == 2
    assert len(bench.similar("plain/conv1/0", limit=np.int32(1))) == 1


def test_layers_that_are_not_among_the_maps(bench: Any) -> None:
    pixels = [[[0, 0, 0]] * 32] * 32
    import numpy as np

    photo = np.array(pixels, np.uint8)
    maps = bench.feature_maps("plain/conv1", photo)
    with pytest.raises(LayerNameError, match="there are no maps of 'nope'"):
        maps.only("nope")
    for threads in ("2", 1.5):
        with pytest.raises(filterkit.UsageError, match="threads must be a whole number"):
            bench.feature_maps("plain/conv1", photo, threads=threads)


def test_sizes_are_numbers_or_texts(bench: Any) -> None:
    import numpy as np

    photo = np.arange(40 * 30 * 3, dtype=np.uint8).reshape(40, 30, 3)
    for number, text in ((24, "24"), ((24, 32), "24x32"), (np.int64(24), "24")):
        one = bench.convolve("plain/conv1", photo, size=number)
        assert np.array_equal(one, bench.convolve("plain/conv1", photo, size=text))
    for wrong in (0, -3, 2.5, True, (24,) * 3, (24, None)):
        with pytest.raises(filterkit.UsageError, match="is not a size"):
            bench.convolve("plain/conv1", photo, size=wrong)


def test_a_catalog_without_models_says_so(tmp_path: Path) -> None:
    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.catalog(write=True)
        for call in (
            *(bench.filters, bench.layers, bench.stats, bench.duplicates, bench.count_filters),
            lambda: bench.similar([[1, 2, 3]] * 3),
            lambda: bench.filters(group_by="layer"),
        ):
            with pytest.raises(NotFoundError, match="the catalog has no models") as caught:
                call()
            assert "filterkit add" in str(caught.value.hint)
