"""Work in another process: other hashes, errors in words, and no fault where it cannot be sent."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import Any

import pytest
from breaking import problems

import filterkit
from filterkit.normalizers.minmax import MinMax
from filterkit.testing import check_normalizer
from filterkit.testing.other_process import Failed, Unreachable, elsewhere

READY: list[str] = []


def talks(words: str) -> int:
    print(words)
    return len(words)


class OnlyHere:
    def normalize(self, values: Any) -> filterkit.Normalized:
        if not READY:
            raise LookupError("not ready")
        return MinMax().normalize(values)


@pytest.mark.parametrize("seed", ["", "1", "2"])
def test_hashes_are_other_ones(seed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", seed)
    assert elsewhere(partial(os.getenv, "PYTHONHASHSEED")) == ("2" if seed == "1" else "1")


def test_what_it_prints_is_no_answer() -> None:
    assert elsewhere(partial(talks, "words")) == 5


def test_what_it_raises_is_told() -> None:
    with pytest.raises(Failed, match=r"^KeyError: 1$"):
        elsewhere(partial({}.__getitem__, 1))
    with pytest.raises(Failed, match="exit code 3"):
        elsewhere(partial(os._exit, 3))


def test_what_cannot_be_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unreachable):
        elsewhere(lambda: 1)
    monkeypatch.setattr("sys.path", [path for path in sys.path if "testing" not in path])
    with pytest.raises(Unreachable):
        elsewhere(partial(talks, "words"))


def test_an_object_that_works_in_one_process_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.READY", ["yes"])
    said = "fails in another process, with another PYTHONHASHSEED: normalize(): LookupError: not ready"
    assert said in problems(check_normalizer, OnlyHere)
