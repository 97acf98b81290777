"""The turns of a kernel: their names, their order, and that each undoes itself."""

from __future__ import annotations

import numpy as np
import pytest

from filterkit.comparison.neighbours import Turn, turns_of

EIGHT = ["identity", "@90", "@180", "@270", "@0f", "@90f", "@180f", "@270f"]


def test_a_square_has_eight_turns_all_different() -> None:
    turns = turns_of((3, 3), flip=True, rotate=True)
    assert [str(turn) for turn in turns] == EIGHT
    kernel = np.arange(9.0).reshape(3, 3)
    assert len({turn.apply(kernel).tobytes() for turn in turns}) == 8


def test_quarters_go_counter_clockwise_and_flips_come_first() -> None:
    kernel = np.array([[1, 2], [3, 4]])
    assert Turn(quarters=1).apply(kernel).tolist() == [[2, 4], [1, 3]]
    assert Turn(flipped=True).apply(kernel).tolist() == [[2, 1], [4, 3]]
    assert Turn(flipped=True, quarters=1).apply(kernel).tolist() == [[1, 3], [2, 4]]


@pytest.mark.parametrize("turn", turns_of((3, 3), flip=True, rotate=True), ids=str)
def test_the_inverse_undoes_a_turn(turn: Turn) -> None:
    kernel = np.random.default_rng(0).normal(size=(2, 3, 3))
    np.testing.assert_array_equal(turn.inverse.apply(turn.apply(kernel)), kernel)
    assert turn.inverse in turns_of((3, 3), flip=True, rotate=True)


@pytest.mark.parametrize(
    ("shape", "flip", "rotate", "names"),
    [
        ((3, 3), False, False, ["identity"]),
        ((3, 3), True, False, ["identity", "@0f"]),
        ((3, 3), False, True, EIGHT[:4]),
        ((1, 7), True, True, ["identity", "@180", "@0f", "@180f"]),
        ((7,), True, True, ["identity", "@180", "@0f", "@180f"]),
        ((7,), False, True, ["identity", "@180"]),
        ((7,), True, False, ["identity", "@0f"]),
        ((7, 1), False, True, ["identity", "@180"]),
        ((2, 3, 3), False, True, EIGHT[:4]),
        ((3, 3, 2), False, True, ["identity", "@180"]),
    ],
)
def test_only_turns_that_keep_the_shape(
    shape: tuple[int, ...], flip: bool, rotate: bool, names: list[str]
) -> None:
    turns = turns_of(shape, flip=flip, rotate=rotate)
    assert [str(turn) for turn in turns] == names
    assert {turn.apply(np.zeros(shape)).shape for turn in turns} == {shape}


@pytest.mark.parametrize("turn", turns_of((7,), flip=True, rotate=True), ids=str)
@pytest.mark.parametrize("channels", [(), (4,), (5, 4)])
def test_a_kernel_of_one_axis_turns_as_one_of_height_1(turn: Turn, channels: tuple[int, ...]) -> None:
    kernels = np.random.default_rng(0).normal(size=(*channels, 7))
    flat = Turn(turn.flipped, turn.quarters).apply(kernels.reshape(*channels, 1, 7))
    np.testing.assert_array_equal(turn.apply(kernels), flat.reshape(kernels.shape))
    np.testing.assert_array_equal(turn.inverse.apply(turn.apply(kernels)), kernels)


def test_depth_stays_where_it_is() -> None:
    kernel = np.random.default_rng(0).normal(size=(2, 3, 3))
    np.testing.assert_array_equal(Turn(True, 3).apply(kernel)[0], Turn(True, 3).apply(kernel[0]))
