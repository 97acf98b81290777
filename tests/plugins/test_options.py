"""Spec strings and the types of options."""

from __future__ import annotations

from dataclasses import dataclass, field
from string import ascii_lowercase, digits
from typing import Any, ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterkit.errors import UsageError
from filterkit.plugins.options import coerce_options, options_of, parse_spec, to_text


@dataclass(frozen=True)
class Everything:
    size: int
    low: float = 1.0
    name: str = "x"
    bold: bool = False
    per: Literal["layer", "filter"] = "layer"
    level: Literal[0, 1] = 1
    limit: int | None = None
    word: str | None = "a"
    mean: tuple[float, ...] = ()
    shape: tuple[int, int] = (1, 2)
    made: tuple[str, ...] = field(default_factory=lambda: ("a", "b"))
    odd: dict[str, int] = field(default_factory=dict)
    hidden: int = field(default=1, init=False)
    shared: ClassVar[int] = 3


def read(**given: str) -> dict[str, Any]:
    return coerce_options(options_of(Everything), {"size": "1"} | given, owner="test 'everything'")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("size", "-7", -7),
        ("low", "1e-3", 0.001),
        ("name", "any text: even = this", "any text: even = this"),
        ("name", "", ""),
        ("name", " .:-=+*#%@", " .:-=+*#%@"),
        ("size", " 7 ", 7),
        ("bold", " true", True),
        ("per", "filter ", "filter"),
        ("limit", " none", None),
        ("mean", " ", ()),
        ("bold", "true", True),
        ("bold", "Off", False),
        ("per", "filter", "filter"),
        ("level", "0", 0),
        ("limit", "none", None),
        ("limit", "5", 5),
        ("word", "none", None),
        ("word", "7", "7"),
        ("mean", "104/117.5/124", (104.0, 117.5, 124.0)),
        ("mean", "", ()),
        ("shape", "3/5", (3, 5)),
        ("made", "R/G/B", ("R", "G", "B")),
    ],
)
def test_text_becomes_what_the_field_holds(name: str, text: str, value: Any) -> None:
    found = read(**{name: text})[name]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "hint"),
    [
        ("size", "1.5", "expected int"),
        ("size", "", "expected int"),
        ("low", "low", "expected float"),
        ("bold", "maybe", "expected true|false"),
        ("per", "kernel", "expected layer|filter"),
        ("limit", "few", "expected int or none"),
        ("mean", "1/x", "expected float/…"),
        ("shape", "1/2/3", "expected int/int"),
        ("shape", "1", "expected int/int"),
        ("odd", "a", "expected dict"),
    ],
)
def test_text_that_does_not_fit_is_told(name: str, text: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(**{name: text})
    assert f"option '{name}' of test 'everything' cannot be '{text}'" == str(caught.value)
    assert str(caught.value.hint).startswith(hint)
    assert ";" not in str(caught.value.hint), "said twice"


def test_an_option_that_must_be_set_is_asked_for() -> None:
    with pytest.raises(UsageError, match="test 'everything' requires the option 'size'"):
        coerce_options(options_of(Everything), {}, owner="test 'everything'")


def test_options_are_the_fields_in_order() -> None:
    options = options_of(Everything)
    assert [option.name for option in options][:3] == ["size", "low", "name"]
    assert not {"hidden", "shared"} & {option.name for option in options}
    by_name = {option.name: option for option in options}
    assert (by_name["size"].required, by_name["low"].required) == (True, False)
    assert by_name["per"].choices == ("layer", "filter")
    assert by_name["made"].default == ("a", "b")


def test_what_is_no_dataclass_has_no_options() -> None:
    assert options_of(dict) == ()
    assert options_of(lambda level: level) == ()


NAMES = st.builds(
    str.__add__, st.sampled_from(ascii_lowercase), st.text(ascii_lowercase + digits + "_", max_size=9)
)
VALUES = st.text(st.characters(exclude_characters=",", exclude_categories=["Cs"]), max_size=20)


@given(NAMES, st.dictionaries(NAMES, VALUES, max_size=4))
def test_a_spec_reads_back(name: str, options: dict[str, str]) -> None:
    spec = name + (":" if options else "") + ",".join(f"{key}={value}" for key, value in options.items())
    assert parse_spec(spec) == (name, options)


FLOATS = st.floats(allow_nan=False)


@given(
    st.fixed_dictionaries(
        {"size": st.integers()},
        optional={
            "low": FLOATS,
            "bold": st.booleans(),
            "mean": st.lists(FLOATS).map(tuple),
            "limit": st.none() | st.integers(),
        },
    )
)
def test_values_survive_as_text(values: dict[str, Any]) -> None:
    assert read(**{name: to_text(value) for name, value in values.items()}) == values


@given(st.text())
def test_any_text_is_a_spec_or_wrong_use(text: str) -> None:
    try:
        name, options = parse_spec(text)
    except UsageError:
        return
    assert name
    assert all(options)
