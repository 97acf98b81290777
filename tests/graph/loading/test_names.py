"""Names in files: valid text, short and printable where they are shown."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from model_files import convolution, refused, written

from filterkit.graph.loading.names import LONGEST_NAME, check_names, free_name, shown


def test_names_cannot_control_the_terminal(tmp_path: Path) -> None:
    model = convolution()
    model.graph.initializer[0].name = model.graph.node[0].input[1] = "\x1b[31m" + "w" * 10_000
    model.graph.initializer[0].dims[0] = 5
    assert len(refused(written(tmp_path / "m.onnx", model)).message) < 400


def test_names_that_are_not_text(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(written(path, convolution()).read_bytes().replace(b"\x04Conv", b"\x04Co\xffv"))
    assert "not valid UTF-8" in refused(path).message


def test_names_have_a_limit(tmp_path: Path) -> None:
    for length in (LONGEST_NAME, LONGEST_NAME + 1):
        model = convolution()
        model.graph.node[0].name = "n" * length
        if length > LONGEST_NAME:
            assert "a name of 16,385 characters" in refused(written(tmp_path / "m.onnx", model)).message
        else:
            check_names(model)


@given(st.lists(st.sampled_from(["a", "a_1", "a_1_1", "a_2", "b"]), max_size=30))
def test_free_names_are_unique_and_the_lowest(names: list[str]) -> None:
    taken: dict[str, int] = {}
    made = [free_name(name, taken) for name in names]
    assert len(set(made)) == len(made)
    for place, (name, free) in enumerate(zip(names, made, strict=True)):
        suffixes = ["", *(f"_{number}" for number in range(1, len(names) + 1))]
        assert free == next(name + each for each in suffixes if name + each not in made[:place])


@given(st.text())
def test_what_is_shown_is_short_and_on_one_line(name: str) -> None:
    short = shown(name, 10)
    assert len(short) <= 10 and short.isprintable()
    if name.isprintable() and len(name) <= 10 and name == " ".join(name.split()):
        assert short == name
