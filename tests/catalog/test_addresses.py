"""What addresses refer to, and the errors for those that refer to nothing."""

from __future__ import annotations

from typing import Any

import pytest

from filterkit.address import parse_address
from filterkit.catalog import Catalog, listings
from filterkit.catalog.addresses import resolve
from filterkit.catalog.filters import filters
from filterkit.errors import NotFoundError


def found(catalog: Catalog, address: str) -> list[tuple[str, list[int], list[int]]]:
    matches = resolve(catalog, parse_address(address))
    return [(match.address, list(match.filters), list(match.kernels)) for match in matches]


def test_an_address_stands_for_layers_with_filters_and_kernels(reading: Catalog) -> None:
    assert found(reading, "tiny/conv1/0:2") == [("tiny/conv1", [0, 1], [0, 1, 2])]
    assert found(reading, "tiny/conv2/-1/::2") == [("tiny/conv2", [4], [0, 2])]
    assert [address for address, *_ in found(reading, "*")] == [
        "tiny/conv1", "tiny/conv2", "other/conv1", "other/conv2", "other/conv3",
    ]  # fmt: skip
    assert [address for address, *_ in found(reading, "*/conv[13]")] == [
        "tiny/conv1", "other/conv1", "other/conv3",
    ]  # fmt: skip


def test_a_slice_that_some_layers_are_too_small_for(reading: Catalog) -> None:
    assert found(reading, "other/*/2:4") == [("other/conv1", [2, 3], [0]), ("other/conv3", [2], [0, 1])]
    with pytest.raises(NotFoundError, match="selects none") as caught:
        found(reading, "tiny/*/100:")
    assert "0:6 selects 0 to 5" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("address", "message", "hint"),
    [
        ("tiyn", "no model 'tiyn'", "did you mean 'tiny'?"),
        ("Tiny", "no model 'Tiny'", "did you mean 'tiny'?"),
        ("x*", "no model 'x*'", "known: other, tiny"),
        ("tiny/conv3", "no layer 'conv3'", "did you mean 'conv2' or 'conv1'?"),
        ("tiny/dense*", "no layer 'dense*'", "known: conv1, conv2"),
        ("tiny/conv1/4", "4 filters of tiny/conv1", "they are numbered 0 to 3"),
        ("tiny/conv1/0/3", "3 kernels of each filter of tiny/conv1", "they are numbered 0 to 2"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(
    reading: Catalog, address: str, message: str, hint: str
) -> None:
    for look in (lambda: found(reading, address), lambda: filters(reading, parse_address(address))):
        with pytest.raises(NotFoundError) as caught:
            look()
        assert message in str(caught.value)
        assert caught.value.hint == hint


def test_an_empty_catalog_says_how_to_fill_it(location: Any) -> None:
    with Catalog.open(location, write=True) as catalog:
        assert listings.models(catalog) == []
        with pytest.raises(NotFoundError) as caught:
            listings.layers(catalog, parse_address("*"))
        assert "filterkit add" in str(caught.value.hint)
