"""Broken model sources, and what the check says of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from breaking import problems

import filterkit
from filterkit.testing import build_model, check_source, node

CALLS: list[str] = []


class Good:
    scheme = "good"
    seed = 0
    op = "Conv"

    def fetch(self, ref: str, workdir: Path, progress: Callable[..., None]) -> Any:
        if ref not in ("", "five"):
            raise filterkit.UsageError(f"good knows no '{ref}'", hint="good:five")
        CALLS.append(ref)
        progress("writing", 0, 1)
        weights = np.random.default_rng(self.seed or len(CALLS)).normal(size=(4, 3, 3, 3)).astype(np.float32)
        model = build_model([node(self.op, "x w", "y", "conv")], {"x": ["N", 3, 8, 8]}, {"w": weights})
        path = workdir / "model.onnx"
        path.write_bytes(model.SerializeToString())
        progress("writing", 1, 1)
        return filterkit.FetchedModel(
            path, "numbers", layer_names={"conv": "first"}, filter_labels={"first": list("abcd")}
        )


class Sure(Good):
    seed = 1


class Forgetful(Good):
    """Other numbers each time."""


class Unordered(Sure):
    def fetch(self, ref: str, workdir: Path, progress: Callable[..., None]) -> Any:
        origin = " ".join({f"part {number}" for number in range(30)})
        return replace(super().fetch(ref, workdir, progress), origin=origin)


class Lost(Sure):
    """Numbers that pickle leaves behind."""

    def __init__(self) -> None:
        self.seed = 2

    def __getstate__(self) -> dict[str, int]:
        return {}


class NoConvolution(Sure):
    op = "MatMul"


class Careless(Sure):
    def fetch(self, ref: str, workdir: Path, progress: Callable[..., None]) -> Any:
        if ref not in ("", "five"):
            raise KeyError(ref)
        return super().fetch(ref, workdir, progress)


class TakesAll(Sure):
    def fetch(self, ref: str, workdir: Path, progress: Callable[..., None]) -> Any:
        return super().fetch("", workdir, progress)


class Litters(Sure):
    def fetch(self, ref: str, workdir: Path, progress: Callable[..., None]) -> Any:
        Path("cache.bin").write_bytes(b"")
        (workdir.parent / "other.bin").write_bytes(b"")
        return super().fetch(ref, workdir, progress)


class Mislabels(Sure):
    def fetch(self, ref: str, workdir: Path, progress: Callable[..., None]) -> Any:
        fetched = super().fetch(ref, workdir, progress)
        labels = {"first": ["a"], "second": ["a"]}
        return replace(fetched, layer_names={"conv": "first", "conv9": "ninth"}, filter_labels=labels)


class Vague(Sure):
    def fetch(self, ref: str, workdir: Path, progress: Callable[..., None]) -> Any:
        progress("half", 0.5, 1.0)
        return replace(super().fetch(ref, workdir, progress), origin=" ")


class NoModel(Sure):
    def fetch(self, ref: str, workdir: Path, progress: Callable[..., None]) -> Any:
        fetched = super().fetch(ref, workdir, progress)
        fetched.onnx_path.write_bytes(b"model")
        return fetched


class Spaced(Sure):
    scheme = "My Scheme"


class Licensed(Sure):
    def fetch(self, ref: str, workdir: Path, progress: Callable[..., None]) -> Any:
        return replace(super().fetch(ref, workdir, progress), license=3)


class Chatty(Sure):
    def fetch(self, ref: str, workdir: Path, progress: Callable[..., None]) -> Any:
        print("fetching", ref)
        return super().fetch(ref, workdir, progress)


class OnlyPath(Sure):
    def fetch(self, ref: str, workdir: Path, progress: Callable[..., None]) -> Any:
        return super().fetch(ref, workdir, progress).onnx_path


def test_a_good_one_passes() -> None:
    check_source(Sure, "five", wrong=["six"])
    check_source(Sure())


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (Forgetful, "fetches a different model the second time (with 'five')"),
        (Lost, "fetches a different model after pickling (with 'five')"),
        (
            Unordered,
            "fetches a different model in another process, with another PYTHONHASHSEED (with 'five')",
        ),
        (NoConvolution, "raised ModelError: model.onnx has no convolutions"),
        (Careless, "fetch() raised KeyError: '?no-such-option=1' (with '?no-such-option=1')"),
        (TakesAll, "accepts 'six', which is invalid"),
        (Litters, "writes files to the working folder:  cache.bin"),
        (Litters, "writes files outside its folder: other.bin"),
        (Mislabels, "names layers that match no node, output or weight: conv9"),
        (Mislabels, "returned 1 labels for the 4 filters of 'first'"),
        (Mislabels, "labels the filters of 'second', which is not a layer"),
        (Vague, "reports progress as ('half', 0.5, 1.0), not as (what, done, total)"),
        (Vague, "returned no origin"),
        (NoModel, "model.onnx: not an ONNX model but a text file (with 'five')"),
        (Spaced, "has the scheme 'My Scheme'; schemes are lower-case letters, digits and -"),
        (Licensed, "fetch() returned the license 3, which is not a string"),
        (Chatty, "prints to stdout, which is reserved for data"),
        (OnlyPath, "Path, not a FetchedModel"),
        (object, "is an object, which is not a ModelSource"),
    ],
)
def test_what_is_broken_is_said(broken: Any, words: str) -> None:
    assert words in problems(check_source, broken, "five", wrong=["six"])
