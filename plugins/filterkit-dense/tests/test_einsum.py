"""Einsums with a weight, compared with NumPy and ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
from graphs import build, found, node, only_bank, random, run, why_skipped


@pytest.mark.parametrize(
    ("equation", "shape", "weight", "layout", "stored"),
    [
        ("abc,cd->abd", (2, 7, 4), (4, 5), "NWC", "IO"),
        ("abc,cde->abde", (2, 7, 4), (4, 2, 3), "NWCC", "IOO"),
        ("abcd,cde->abe", (2, 7, 2, 3), (2, 3, 5), "NWC", "IIO"),
        ("abcd,cdef->abef", (2, 7, 2, 3), (2, 3, 4, 5), "NWCC", "IIOO"),
        ("btd,hdk->bhtk", (2, 7, 4), (3, 4, 5), "NCWC", "OIO"),
        ("abc,dce->aebd", (2, 7, 4), (5, 4, 3), "NCWC", "OIO"),
        ("acb,dc->adb", (2, 4, 7), (5, 4), "NCW", "OI"),
        ("...c,cd->...d", (2, 3, 7, 4), (4, 5), "NHWC", "IO"),
        ("ac,cd", (2, 4), (4, 5), "NC", "IO"),
    ],
)
@pytest.mark.parametrize("first", [False, True])
def test_einsum(
    equation: str, shape: tuple[int, ...], weight: tuple[int, ...], layout: str, stored: str, first: bool
) -> None:
    """The bank applied to the data gives the Einsum's result, as computed by NumPy and ONNX Runtime."""
    values, x = random(*weight), random(*shape)
    constants = {"w": values}
    if first:
        terms, arrow, output = equation.partition("->")
        equation = ",".join(terms.split(",")[::-1]) + arrow + output
    einsum = node("Einsum", "w x" if first else "x w", "y", equation=equation)
    model = build([einsum], shape, constants)
    bank = only_bank(model)
    assert (bank.pre_layout, bank.source_layout, bank.weight_tensor) == (layout, stored, "w")
    filters = bank.weights[:, :, 0, 0]
    assert filters.shape == (bank.out_channels, bank.in_channels)
    channels = [axis for axis, letter in enumerate(layout) if letter == "C"]
    answered = np.moveaxis(run(model, bank.pre_tensor, x), channels, range(-len(channels), 0))
    data = np.moveaxis(x, 1, 2) if equation in ("acb,dc->adb", "dc,acb->adb") else x
    rows = data.reshape(-1, bank.in_channels)
    np.testing.assert_allclose(answered.reshape(len(rows), -1), rows @ filters.T, atol=1e-5)


@pytest.mark.parametrize("bias", [(2, 3), (1, 3), (3,), (2, 1), ()])
def test_an_einsum_with_bias_and_activation(bias: tuple[int, ...]) -> None:
    nodes = [
        node("Einsum", "x w", "e", equation="abc,cde->abde"),
        node("Add", "e b", "a"),
        node("Transpose", "a", "t", perm=[0, 2, 1, 3]),
        node("Relu", "t", "y"),
    ]
    constants = {"w": random(4, 2, 3), "b": random(*bias)}
    bank = only_bank(build(nodes, [2, 7, 4], constants))
    np.testing.assert_array_equal(bank.bias, np.broadcast_to(constants["b"], (2, 3)).ravel())
    assert (bank.pre_tensor, bank.pre_layout) == ("a", "NWCC")
    assert (bank.post_tensor, bank.post_layout, bank.activation) == ("y", "NCWC", "relu")


def test_channels_that_change_places_behind_an_einsum() -> None:
    """After a Transpose of heads and their channels, the order differs from that of the filters."""
    nodes = [
        node("Einsum", "x w", "e", equation="abc,cde->abde"),
        node("Transpose", "e", "t", perm=[0, 1, 3, 2]),
        node("Relu", "t", "y"),
    ]
    bank = only_bank(build(nodes, [2, 7, 4], {"w": random(4, 2, 3)}))
    assert (bank.post_tensor, bank.post_layout, bank.activation) == ("e", "NWCC", None)


@pytest.mark.parametrize("added", [(7, 1, 1), (7, 2, 3), (2, 7, 2, 3)])
def test_what_is_no_bias_of_an_einsum(added: tuple[int, ...]) -> None:
    nodes = [node("Einsum", "x w", "e", equation="abc,cde->abde"), node("Add", "e b", "y")]
    bank = only_bank(build(nodes, [2, 7, 4], {"w": random(4, 2, 3), "b": random(*added)}))
    assert (bank.bias, bank.pre_tensor) == (None, "e")


@pytest.mark.parametrize(
    ("equation", "weight"),
    [
        ("abc,bcd->abd", (7, 4, 5)),  # another matrix for each position
        ("abc,c->abc", (4,)),
        ("abc,c->ab", (4,)),
        ("abc,de->abcde", (4, 5)),
        ("abc,cd->ad", (4, 5)),
        ("abc,cd->ab", (4, 5)),
        ("abc,ccd->abd", (4, 4, 5)),
        ("abc,...d->abd", (4, 5)),
        ("abc,abcd->d", (2, 7, 4, 5)),
    ],
)
def test_einsums_that_are_no_product_with_a_matrix(equation: str, weight: tuple[int, ...]) -> None:
    model = build([node("Einsum", "x w", "y", equation=equation)], [2, 7, 4], {"w": random(*weight)})
    assert "is not the product with one matrix" in why_skipped(model)


def test_an_einsum_of_more_or_of_none() -> None:
    three = node("Einsum", "x w v", "y", equation="abc,cd,de->abe")
    assert "3 tensors" in why_skipped(build([three], [1, 7, 4], {"w": random(4, 5), "v": random(5, 2)}))
    wrong = node("Einsum", "x w", "y")
    assert "''" in why_skipped(build([wrong], [1, 7, 4], {"w": random(4, 5)}))
    computed = node("Einsum", "x x", "y", equation="abc,adc->abd")
    folded = node("Einsum", "w w", "u", equation="cd,cd->c")
    assert found(build([computed], [1, 7, 4], {})) == []
    assert found(build([folded, node("Add", "x u", "y")], [1, 7, 4], {"w": random(4, 2)})) == []
