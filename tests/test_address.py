"""The address grammar, and the names of models."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterkit.address import (
    Address,
    Selection,
    check_name,
    matching,
    name_from_ref,
    parse_address,
    parse_selection,
)
from filterkit.errors import NotFoundError, UsageError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", [3]),
        ("-1", [9]),
        ("0:6", [0, 1, 2, 3, 4, 5]),
        ("::4", [0, 4, 8]),
        ("-2:", [8, 9]),
        ("::-5", [9, 4]),
        ("1,5,9", [1, 5, 9]),
        ("9,1,9", [9, 1]),
        ("7:9,0", [7, 8, 0]),
        ("*", list(range(10))),
        ("8:100", [8, 9]),
        ("10:", []),
    ],
)
def test_selects_as_python_does(text: str, expected: list[int]) -> None:
    assert parse_selection(text).indices(10) == expected


@pytest.mark.parametrize("text", ["10", "-11", "0,10"])
def test_a_single_number_must_be_there(text: str) -> None:
    with pytest.raises(NotFoundError, match="10 filters") as caught:
        parse_selection(text).indices(10)
    assert caught.value.hint == "they are numbered 0 to 9"


@pytest.mark.parametrize(
    "text",
    ["", "/", "vgg16/", "vgg16//3", "/conv1", "m/l/1/2/3", "m/l/x", "m/l/1:2:3:4", "m/l/1,,2", "m/l/1.5",
     "m/l/::0", "m/l/99999999999999999999", "m/l/1-3", "m/l/3/*x"],
)  # fmt: skip
def test_what_is_no_address_is_said_with_the_grammar(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_address(text)
    assert caught.value.hint is not None
    assert "0:6" in caught.value.hint


def test_parts() -> None:
    assert parse_address("vgg16") == Address("vgg16")
    assert parse_address("vgg16/block3_*/7") == Address("vgg16", "block3_*", Selection((7,)))
    assert parse_address("vgg16/block1_conv2/3/0:16") == Address(
        "vgg16", "block1_conv2", Selection((3,)), Selection((slice(0, 16),))
    )


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1).filter(
    lambda name: name == name.strip()
)
NUMBERS = st.integers(-999, 999)
SLICES = st.builds(slice, *[st.none() | NUMBERS] * 2, st.none() | NUMBERS.filter(bool))
SELECTIONS = st.builds(Selection, st.lists(NUMBERS | SLICES, min_size=1, max_size=4).map(tuple))


@given(NAMES, NAMES, SELECTIONS, SELECTIONS, st.integers(1, 4))
def test_text_and_address_are_the_same_thing(
    model: str, layer: str, filters: Selection, kernels: Selection, parts: int
) -> None:
    address = Address(*(model, layer, filters, kernels)[:parts])
    assert parse_address(str(address)) == address


@given(SLICES, st.integers(0, 50))
def test_slices_agree_with_python(part: slice, count: int) -> None:
    assert Selection((part,)).indices(count) == list(range(count))[part]


@given(st.text())
def test_any_text_is_an_address_or_a_usage_error(text: str) -> None:
    try:
        parse_address(text)
    except UsageError as error:
        assert error.hint


def test_a_name_means_itself_before_it_is_a_glob() -> None:
    names = ["conv[1]", "conv1", "Conv1", "conv2"]
    assert matching("conv[1]", names) == ["conv[1]"]
    assert matching("conv[12]", names) == ["conv1", "conv2"]
    assert matching("conv?", names) == ["conv1", "conv2"]


@pytest.mark.parametrize(
    ("ref", "name"),
    [
        ("vgg16", "vgg16"),
        ("zoo:vgg16", "vgg16"),
        ("classic", "classic"),
        ("some/folder/net.onnx", "net"),
        ("onnx:/some/my net (1).onnx", "my-net-1"),
        (r"C:\models\net.ONNX", "net"),
        ("resnet50-v1.5.onnx", "resnet50-v1.5"),
        ("keras:VGG16?weights=none&seed=1", "VGG16"),
        ("keras:models/edges.keras", "edges"),
        ("wheel:pkg==1.0!pkg/data/net.onnx#sha256=00", "net"),
        ("gabor:?frequencies=3", "gabor"),
        ("somewhere/net/", "net"),
    ],
)
def test_what_a_reference_suggests(ref: str, name: str) -> None:
    assert name_from_ref(ref) == name


@given(st.text())
def test_a_suggestion_is_always_allowed(ref: str) -> None:
    try:
        name = name_from_ref(ref)
    except UsageError as error:
        assert "--name" in str(error.hint)
    else:
        assert check_name(name) == name
