"""Broken metrics, and what the check says of them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from breaking import problems

import filterkit
from filterkit.testing import check_metric

Bank = filterkit.FilterBank


LARGEST: list[float] = []


class Good:
    columns: Any = ("positive",)

    def measure(self, bank: Bank) -> Any:
        return {"positive": (bank.weights > 0).reshape(bank.out_channels, -1).mean(axis=1)}


class GoodOfLayers:
    layer_columns = ("share",)

    def measure_layer(self, bank: Bank) -> Any:
        return {"share": (bank.weights > 0).mean()}


class Squares(Good):
    """Overflows, and takes kernels to have two axes."""

    def measure(self, bank: Bank) -> Any:
        return {"positive": (bank.weights**2).sum(axis=(1, 2, 3))}


class Taken(Good):
    columns = ("l2_norm", "kernel_shape")

    def measure(self, bank: Bank) -> Any:
        return dict.fromkeys(self.columns, np.zeros(bank.out_channels))


class Upper(Good):
    columns = ("Positive",)


class Doubled(Good):
    columns = ("share", "share")


class Litters(Good):
    def measure(self, bank):
        Path("share.txt").write_text("#")
        return super().measure(bank)


class Empty(Good):
    columns = ()

    def measure(self, bank: Bank) -> Any:
        return {}


class NowAndThen(Good):
    def measure(self, bank: Bank) -> Any:
        return {"positive": np.array(["yes" if bank.bias is None else 1] * bank.out_channels)[:, None][:, 0]}


class Mixed(Good):
    def measure(self, bank: Bank) -> Any:
        word: Any = "wide" if bank.out_channels > 6 else 0.0
        return {"positive": np.array([word] * bank.out_channels)}


class OnlyOne(Good):
    def measure(self, bank: Bank) -> Any:
        return {"positive": np.array([(bank.weights > 0).mean()])}


class Dice(Good):
    def measure(self, bank: Bank) -> Any:
        return {"positive": np.array([random.random() for _ in range(bank.out_channels)])}


class Largest(Good):
    """By the largest weight that it has ever seen."""

    largest = 0.0

    def measure(self, bank: Bank) -> Any:
        self.largest = max(self.largest, float(np.nan_to_num(abs(bank.weights)).max()))
        return {"positive": np.full(bank.out_channels, self.largest)}


class LargestOfAll(Good):
    """The same for all objects of its class."""

    def measure(self, bank: Bank) -> Any:
        LARGEST.append(float(np.nan_to_num(abs(bank.weights)).max()))
        return {"positive": np.full(bank.out_channels, max(LARGEST))}


class Forgets(Good):
    """Measures with a level that pickle leaves behind."""

    def __init__(self) -> None:
        self.level = 1.0

    def __getstate__(self) -> dict[str, float]:
        return {"level": 0.0}

    def measure(self, bank: Bank) -> Any:
        return {"positive": np.full(bank.out_channels, self.level)}


class Hashed(Good):
    def measure(self, bank: Bank) -> Any:
        return {"positive": np.full(bank.out_channels, hash(bank.node) % 1_000_003)}


class Scribbles(Good):
    def measure(self, bank: Bank) -> Any:
        np.nan_to_num(bank.weights, copy=False)
        return super().measure(bank)


class Talks(Good):
    def measure(self, bank: Bank) -> Any:
        print(bank.node)
        return super().measure(bank)


class InPlaceWhereItCan(Good):
    def measure(self, bank: Bank) -> Any:
        if bank.weights.flags.writeable:
            bank.weights[:] = 0
        return super().measure(bank)


class Whole(GoodOfLayers):
    def measure_layer(self, bank: Bank) -> Any:
        return {"share": bank.weights > 0}


class Fails(GoodOfLayers):
    def measure_layer(self, bank: Bank) -> Any:
        finite = bank.weights[np.isfinite(bank.weights)]
        return {"share": 1 / float(abs(finite).sum())}


@pytest.mark.parametrize("good", [Good, Good(), GoodOfLayers, GoodOfLayers()])
def test_good_ones_pass(good: Any) -> None:
    check_metric(good)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (Squares, "emits a warning: overflow encountered in square (with huge weights"),
        (
            Squares,
            "measure() raised AxisError: axis 3 is out of bounds for array of dimension 3",
        ),
        (Taken, "declares the column 'l2_norm', which filterkit already has"),
        (Taken, "declares the column 'kernel_shape', which filterkit already has"),
        (Upper, "has columns that are not a tuple of names of lower-case letters, digits and _"),
        (Empty, "declares no columns"),
        (Mixed, "returns numbers as well as strings for 'positive'"),
        (OnlyOne, "measure() returned shape (1,) for 'positive' of 4 filters (with ordinary weights"),
        (Dice, "measures 'positive' differently the second time (with ordinary weights"),
        (Forgets, "measures 'positive' differently after pickling (with ordinary weights"),
        (Largest, "measures 'positive' differently the second time (with ordinary weights"),
        (LargestOfAll, "measures 'positive' differently the second time (with ordinary weights"),
        (
            Hashed,
            "measures 'positive' differently in another process, with another PYTHONHASHSEED (with ordinary",
        ),
        (Scribbles, "writes to its input, which is read-only"),
        (Talks, "prints to stdout, which is reserved for data"),
        (InPlaceWhereItCan, "modifies the bank (with a writable bank)"),
        (Whole, "measure_layer() returned an ndarray for 'share', not a number"),
        (Fails, "measure_layer() raised ZeroDivisionError: float division by zero (with all-zero weights"),
        (Doubled, "declares a column twice"),
        (Litters, "writes files to the working folder:  share.txt"),
        (
            object,
            "is an object, which is not a FilterMetric or LayerMetric: "
            "it lacks columns, measure or layer_columns, measure_layer",
        ),
    ],
)
def test_what_is_broken_is_said(broken: Any, words: str) -> None:
    assert words in problems(check_metric, broken)
