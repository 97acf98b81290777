"""Removing a model: its rows, and from the store what no other model needs."""

from __future__ import annotations

from pathlib import Path

import pytest
from observed import picture
from small_network import write_network

import filterkit
from filterkit.errors import NotFoundError


def test_the_store_keeps_what_another_model_needs(bench: filterkit.Workbench, tmp_path: Path) -> None:
    network = write_network(tmp_path / "net.onnx")
    bench.add(network)
    bench.add(network, name="again")
    banks = bench.catalog().store.folder / "banks"
    bench.remove("net")
    assert [row["model"] for row in bench.models()] == ["again"]
    assert bench.bank("again/conv1").shape == (4, 3, 3, 3)
    assert len(list(banks.iterdir())) == 1
    bench.remove("again")
    assert bench.models() == []
    assert not banks.exists() or not list(banks.iterdir())


def test_a_pattern_removes_no_observation(bench: filterkit.Workbench, tmp_path: Path) -> None:
    network = write_network(tmp_path / "net.onnx")
    for name in ("net", "net2"):
        bench.add(network, name=name)
        bench.observe(name, [picture(0)], name="a")
    for pattern in ("net*", "*", "nett"):
        with pytest.raises(NotFoundError, match="there is no model") as caught:
            bench.remove(pattern, observation="a")
        assert "net" in str(caught.value.hint)
    with pytest.raises(NotFoundError, match="net has no observation 'b'") as caught:
        bench.remove("net", observation="b")
    assert caught.value.hint == "known: a"
    assert len(bench.observations()) == 2
    bench.remove("net2", observation="a")
    assert bench.observations()["model"] == ["net"]
    with pytest.raises(NotFoundError, match="net2 has no observation 'a'") as caught:
        bench.remove("net2", observation="a")
    assert caught.value.hint == "filterkit observe net2 IMAGES..."


def test_an_unknown_model_has_a_hint(bench: filterkit.Workbench) -> None:
    bench.add("classic")
    with pytest.raises(NotFoundError, match="clasic") as caught:
        bench.remove("clasic")
    assert "classic" in str(caught.value.hint)
