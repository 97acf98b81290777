"""``filterkit connections``: rows and errors."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from command_line import Run
from onnx_graphs import build, node, random

import filterkit


@pytest.fixture(autouse=True)
def net(tmp_path: Path) -> None:
    """A network, ``net``, in the default catalog."""
    nodes = [
        node("Conv", "x w", "a", name="conv"),
        node("Relu", "a", "b"),
        node("Conv", "b v", "c", name="last"),
    ]
    constants = {"w": random(30, 3, 3, 3), "v": random(2, 30, 3, 3, seed=1)}
    onnx.save(build(nodes, {"x": ["N", 3, "H", "W"]}, constants, opset=17), tmp_path / "net.onnx")
    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.add(tmp_path / "net.onnx")


def test_rows(run: Run) -> None:
    rows = run("connections", "net/last/1", "--format", "json").rows
    assert list(rows[0]) == ["address", "from_address", "weight_norm", "sign", "share"]
    assert len(rows) == 20
    assert {row["address"] for row in rows} == {"net/last/1"}
    assert {row["sign"] for row in rows} == {1, -1}
    assert len(run("connections", "net/last", "--top", "3", "--format", "json").rows) == 6


def test_later_layers(run: Run) -> None:
    rows = run("connections", "net/conv/3", "--to", "--format", "json").rows
    assert list(rows[0]) == ["address", "to_address", "weight_norm", "sign", "share"]
    assert {row["to_address"] for row in rows} == {"net/last/0", "net/last/1"}


def test_layers_without_connections_are_reported(run: Run) -> None:
    ran = run("connections", "net", "--top", "1")
    assert ran.exit_code == 0
    assert ran.stderr == "left out net/conv: it is a first layer, which reads the input of the network\n"


def test_addresses_from_another_command(run: Run) -> None:
    rows = run("filters", "net/last", "--format", "ndjson").stdout
    assert len(run("connections", "-", "--top", "1", "--format", "json", piped=rows).rows) == 2


def test_errors(run: Run) -> None:
    assert run("connections", "net/conv/3").failure == (
        2,
        "net/conv has no connections: it is a first layer, which reads the input of the network",
        "choose a later layer, e.g. net/last",
    )
    assert run("connections", "net/other").failure[0] == 1
    assert run("connections", "net/last/0/1").failure[0] == 2
