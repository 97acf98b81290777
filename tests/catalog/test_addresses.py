"""What addresses refer to, and the errors for those that refer to nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_graphs import build, node, random

from filterkit.address import parse_address
from filterkit.catalog import Catalog, listings
from filterkit.catalog.addresses import NAMED, resolve
from filterkit.catalog.filters import filters
from filterkit.errors import AddressError, FilterkitError, NotFoundError
from filterkit.workbench import Workbench


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


MODELS = {
    "net": ("conv", "conv_a", "block.conv", "head"),
    "net.v2": ("conv", "block-conv"),
    "net-b": ("head", "neck.head"),
    "v2": ("stem",),
}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    folder = tmp_path_factory.mktemp("misaddressed")
    with Workbench(folder / "catalog.db") as bench:
        for name, layers in MODELS.items():
            weights = {f"w{n}": random(4, 3, 3, 3, seed=n) for n, _ in enumerate(layers)}
            nodes = [node("Conv", f"x w{n}", f"y{n}", name=each) for n, each in enumerate(layers)]
            outputs = [f"y{n}" for n, _ in enumerate(layers)]
            onnx.save(build(nodes, {"x": [1, 3, 8, 8]}, weights, outputs), folder / f"{name}.onnx")
            bench.add(folder / f"{name}.onnx", name=name)
    with Catalog.open(folder / "catalog.db") as opened:
        yield opened


PLACES = [(name, each) for name, layers in MODELS.items() for each in layers]

SEPARATORS = [".", "\\", ":", "::", " ", ">", "#", "|", "; ", "//", " / "]

NUMBERS = ["", "0", "0:2", "1,3", "-1"]


@settings(max_examples=300, deadline=None)
@given(
    place=st.sampled_from(PLACES),
    mark=st.sampled_from(SEPARATORS),
    filters=st.sampled_from(NUMBERS),
    kernels=st.sampled_from(NUMBERS),
)
def test_other_separators(
    catalog: Catalog, place: tuple[str, str], mark: str, filters: str, kernels: str
) -> None:
    name, layer = place
    numbers = [each for each in (filters, kernels) if each]
    if ":" in mark:  # which is part of numbers as well
        numbers = [each for each in numbers[:1] if ":" not in each]
    expected = "/".join([name, layer, *numbers])
    with pytest.raises(FilterkitError) as caught:
        resolve(catalog, parse_address(mark.join([name, layer, *numbers])))
    error = caught.value
    assert isinstance(error, AddressError), error
    assert expected in [each.replace(" ", "") for each in error.meant]
    assert error.exit_code == 2


@pytest.mark.parametrize(("name", "layer"), PLACES)
@pytest.mark.parametrize("rest", ["", "/0", "/0:2/1"])
def test_without_the_model(catalog: Catalog, name: str, layer: str, rest: str) -> None:
    owners = [model for model, layers in MODELS.items() if layer in layers]
    with pytest.raises(AddressError) as caught:
        resolve(catalog, parse_address(layer + rest))
    assert list(caught.value.meant) == [f"{model}/{layer}{rest}" for model in owners][:NAMED]
    for meant in caught.value.meant:
        assert resolve(catalog, parse_address(meant))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("cnov_a", ["net/conv_a"]),
        ("neck.haed/1", ["net-b/neck.head/1"]),
        ("bl*k.conv", ["net/bl*k.conv"]),
        ("*/conv[0]", []),
        ("net/conv[0]", ["net/conv/0"]),
        ("net/conv[0][1]", ["net/conv/0/1"]),
        ("net/conv[:2, 1]", ["net/conv/:2,1"]),
        ("net/conv.weight", ["net/conv"]),
        ("net.v2.block-conv", ["net.v2/block-conv"]),
        ("net.conv_a.0", ["net/conv_a/0"]),
        ("net.zzzzz", []),
        ("zzz", []),
        ("net/zzz", []),
    ],
)
def test_by_hand(catalog: Catalog, text: str, meant: list[str]) -> None:
    with pytest.raises(NotFoundError) as caught:
        resolve(catalog, parse_address(text))
    assert list(getattr(caught.value, "meant", ())) == meant


WORDS = st.sampled_from(
    [*MODELS, "conv", "head", "stem", "block", *SEPARATORS, "/", "0", "[", "]", "*", "\0", "é"]
)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=20) | st.lists(WORDS, max_size=8).map("".join) | st.just("net." * 5000))
def test_any_text_is_an_address_or_an_error_with_a_hint(catalog: Catalog, text: str) -> None:
    try:
        assert resolve(catalog, parse_address(text))
    except FilterkitError as error:
        assert error.hint
        for meant in getattr(error, "meant", ()):
            parse_address(meant)


def test_an_empty_catalog_has_nothing_to_offer(tmp_path: Path) -> None:
    with Catalog.open(tmp_path / "catalog.db", write=True) as empty, pytest.raises(NotFoundError) as caught:
        resolve(empty, parse_address("net.conv"))
    assert caught.value.hint == "`filterkit add vgg16` adds one"
