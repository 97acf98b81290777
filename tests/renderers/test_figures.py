"""Figures of Matplotlib: settings of the current folder do not matter, and files are reproducible."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from filterkit.renderers.figures import FONT, MEDIA_TYPES, matplotlib, settings, shorten, written
from filterkit.renderers.metadata import metadata


def test_the_folders_own_settings_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_text("lines.linewidth: 77\n")
    code = (
        "import os; from filterkit.renderers.figures import matplotlib; before = os.getcwd()\n"
        "print(matplotlib().rcParams['lines.linewidth'], os.getcwd() == before)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[1] == "True" and done.stdout.split()[0] != "77.0"


def test_settings_hold_for_a_while() -> None:
    before = dict(matplotlib().rcParams)
    with settings():
        assert matplotlib().rcParams["font.family"] == [FONT]
        assert not matplotlib().rcParams["text.usetex"]
    assert dict(matplotlib().rcParams) == before


@pytest.mark.parametrize(("kind", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_the_same_figure_gives_the_same_bytes(kind: str, start: bytes) -> None:
    assert kind in MEDIA_TYPES

    def drawn() -> bytes:
        with settings():
            figure = Figure((2, 1))
            figure.text(0.5, 0.5, "text")
            return written(figure, kind, metadata("a title\x1b[31m", "", {}))

    first = drawn()
    assert first.startswith(start) and first == drawn()
    assert kind != "svg" or (b"a title" in first and b"\x1b" not in first)


@given(st.text(), st.integers(1, 40))
def test_shortened_texts_keep_both_ends(text: str, length: int) -> None:
    short = shorten(text, length)
    if len(text) <= length:
        assert short == text
    else:
        head, _, tail = (short[: (length) // 2], "…", short[length // 2 + 1 :])
        assert len(short) == length and short == f"{head}…{tail}"
        assert text.startswith(head) and text.endswith(tail)
