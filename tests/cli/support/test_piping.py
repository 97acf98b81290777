"""Addresses on standard input, in every format, from anybody."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from command_line import Run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from filterkit.cli.support import piping
from filterkit.errors import FilterkitError

pytestmark = pytest.mark.zoo


@pytest.fixture(autouse=True)
def _catalog(catalog: Path) -> None:
    pass


TABLE = "address      l2_norm\n───────────  ───────\nvgg16/a/0    1\n"


@pytest.mark.parametrize(
    ("stdin", "code", "said"),
    [
        ("", 1, "no address"),
        (" \n\n", 1, "no address"),
        ("[]\n", 1, "no address"),
        ("address,l2_norm\n", 1, "no address"),
        ("address\n", 1, "no address"),
        ('{"l2_norm": 1}\n', 2, "row 1 has no address"),
        ('{"address": "vgg16/block1_conv1/0"}\n{"address": 7}\n', 2, "row 2 has no address"),
        ("[1, 2]", 2, "row 1 has no address"),
        ("layer,address\na\n", 2, "row 1 has no address"),
        ('{"address": "vgg16/block1_conv1/0"\n', 2, "not JSON"),
        ("[" * 100_000, 2, "not JSON"),
        ('address,x\n"' + "a" * 200_000, 2, "not JSON, NDJSON, CSV or TSV"),
        (TABLE, 2, "a table formatted for people"),
        (b"\xff\xfe\x00\x01", 2, "not text"),
        (b"\x00" * 5000, 2, "not an address"),
        ("x" * 2000, 2, "'xxxxxxxxxxxxxxxxxxxx'… is not an address"),
        ("vgg16/block1_conv1/0\nvgg16/\x1b[31m/0\n", 2, "is not an address"),
        ("vgg16/block1_conv1/0/1/2\n", 2, "more than four parts"),
        ("vgg16/block1_conv1/64\n", 1, "64 is out of range for 64 filters"),
        ("vgg16/nowhere/0\n", 1, "no layer 'nowhere'"),
        ("nobody/nowhere/0\n", 1, "no model 'nobody'"),
        ("vgg16/block1_conv1/0:0\n", 1, "name no filters"),
        ("vgg16/block1_conv1/0\n" * 10_001, 2, "10,001 filters do not fit on one sheet"),
        ("{},\n" * 100, 2, "not JSON"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_one_line(run: Run, stdin: str | bytes, code: int, said: str) -> None:
    failed, error, hint = run("show", "-", "-o", "x.png", piped=stdin).failure
    assert (failed, said in error) == (code, True), error
    assert hint
    assert len(error) < 200
    assert not Path("x.png").exists()


def test_too_many_addresses(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(piping, "LARGEST", 10_000)
    code, error, hint = run("show", "-", piped="x" * 10_001).failure
    assert (code, "standard input" in error) == (2, True)
    assert hint


class _Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def test_a_terminal_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for stdin in (None, _Terminal(io.BytesIO())):
        monkeypatch.setattr("sys.stdin", stdin)
        with pytest.raises(FilterkitError, match="no rows are piped") as caught:
            piping.read_addresses()
        assert "filterkit show -" in str(caught.value.hint)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300) | st.text(alphabet='{}[]",:\naddress/0 \t\\u', max_size=120).map(str.encode))
def test_no_input_gets_through_as_anything_but_addresses(
    monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    try:
        found, left_out = piping.read_addresses()
    except FilterkitError:
        return
    assert found
    assert left_out >= 0
    assert all(address.isprintable() and len(address) <= piping.LONGEST for address in found)
