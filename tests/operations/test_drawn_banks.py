"""Sheets of expanded weights and of factors, of one layer, of picked filters and of pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx_graphs import build, node, random

import filterkit
from filterkit.errors import UsageError
from filterkit.sheets.factors import NOTE, factored

WEIGHTS = {"w": random(5, 3, 3, 3), "v": random(4, 5, 3, 3, seed=1)}
NODES = [
    node("Conv", "x w", "a", name="first"),
    node("Relu", "a", "b"),
    node("Conv", "b v", "y", name="last"),
]
EXPANDED = "weights from the input up to the filter multiplied out, activations and max pooling made linear"


@pytest.fixture
def net(bench: filterkit.Workbench, tmp_path: Path) -> filterkit.Workbench:
    onnx.save(build(NODES, {"x": ["N", 3, "H", "W"]}, WEIGHTS, opset=17), tmp_path / "net.onnx")
    bench.add(tmp_path / "net.onnx", preprocessing="caffe:layout=NCHW")
    return bench


def colours(sheet: Any) -> np.ndarray:
    return sheet.tiles.reshape(-1, *sheet.tile_shape, 3)[: sheet.count]


def test_expanded_filters_are_pictures_in_red_green_and_blue(net: filterkit.Workbench) -> None:
    sheet = net.sheet("net/last", expand=True)
    weights = net.bank("net/last", expand=True)[:, ::-1].transpose(0, 2, 3, 1)
    limits = np.abs(weights).max(axis=(1, 2, 3), keepdims=True)
    np.testing.assert_allclose(colours(sheet), (weights / limits + 1) / 2, atol=1e-6)
    assert sheet.values is not None
    np.testing.assert_allclose(sheet.values.reshape(-1, 5, 5, 3)[:4], weights)
    assert sheet.note == f"symmetric about zero per filter; {EXPANDED}"
    assert sheet.addresses == tuple(f"net/last/{number}" for number in range(4))
    assert sheet.provenance["weights"] == "expanded"
    assert sheet.provenance["channels"] == "rgb"
    assert not np.isnan(net.sheet("net/last", expand=True).metrics["l2_norm"]).any()


def test_a_filter_looks_the_same_alone_and_among_others(net: filterkit.Workbench) -> None:
    for options in ({"expand": True}, {"channels": "factors"}, {"expand": True, "channels": "factors"}):
        whole = colours(net.sheet("net/last", **options))
        np.testing.assert_allclose(colours(net.sheet("net/last/3,1", **options)), whole[[3, 1]], atol=1e-5)
        picked = net.sheet(["net/last/1", "net/last/3", "net/last/1"], **options)
        np.testing.assert_allclose(colours(picked), whole[[1, 3, 1]], atol=1e-5)
        assert picked.addresses == ("net/last/1", "net/last/3", "net/last/1")


def test_channels_of_the_input_can_be_drawn_apart(net: filterkit.Workbench) -> None:
    sheet = net.sheet("net/last/0:2", expand=True, channels="separate")
    assert (sheet.rows, sheet.columns, sheet.column_labels) == (2, 3, ("B", "G", "R"))
    assert sheet.addresses == ("net/last/0",) * 3 + ("net/last/1",) * 3
    assert net.sheet("net/last/0:2", expand=True, colormap="RdBu_r").columns == 3
    strongest = net.sheet("net/last", expand=True, channels="strongest")
    weights = net.bank("net/last", expand=True)
    names = ["BGR"[channel] for channel in np.square(weights).sum(axis=(2, 3)).argmax(axis=1)]
    assert strongest.tile_labels == tuple(f"last/{number} {name}" for number, name in enumerate(names))
    assert strongest.addresses == tuple(f"net/last/{number}" for number in range(4))


def test_kernels_select_a_part_of_the_path(net: filterkit.Workbench) -> None:
    sheet = net.sheet("net/last/0/2", expand=True)
    weights = net.bank("net/last/0/2", expand=True)[0, ::-1].transpose(1, 2, 0)
    np.testing.assert_allclose(colours(sheet)[0], (weights / np.abs(weights).max() + 1) / 2, atol=1e-6)


def test_filters_of_several_layers_have_their_own_fields(net: filterkit.Workbench) -> None:
    sheet = net.sheet(["net/first/0", "net/last/0"], expand=True)
    assert sheet.tile_shape == (15, 15)
    assert "3×3, 5×5 drawn at the same size" in sheet.note
    assert {name: each.tile_shape for name, each in net.sheets("net", expand=True)} == {
        "first": (3, 3),
        "last": (5, 5),
    }


def test_pairs(net: filterkit.Workbench) -> None:
    sheet = net.sheet([("net/last/0", "net/last/1")], expand=True)
    weights = net.bank("net/last/0:2", expand=True)
    assert (
        np.abs(colours(sheet) - 0.5).max(axis=(1, 2, 3)).argmax()
        == np.abs(weights).max(axis=(1, 2, 3)).argmax()
    )
    assert sheet.note.startswith("symmetric about zero per pair")
    assert net.sheet([("net/last/0", "net/last/1")], channels="factors").is_colour
    assert net.sheet([("net/last/0", "net/last/1")], channels="strongest", expand=True).count == 2


def test_factors_are_red_green_and_blue(net: filterkit.Workbench) -> None:
    sheet = net.sheet("net/last", channels="factors")
    wanted = factored(WEIGHTS["v"]).transpose(0, 2, 3, 1)
    span = [(each - each.min()) / (each.max() - each.min()) for each in wanted]
    np.testing.assert_allclose(colours(sheet), span, atol=1e-6)
    assert sheet.note == f"min-max per filter; {NOTE}"
    assert sheet.provenance["channels"] == "factors"
    assert sheet.addresses == tuple(f"net/last/{number}" for number in range(4))
    part = net.sheet("net/last/1/0:3", channels="factors")
    wanted = factored(WEIGHTS["v"][1:2, :3])[0].transpose(1, 2, 0)
    np.testing.assert_allclose(part.values.reshape(3, 3, 3), wanted, atol=1e-5)


def test_channels_that_a_network_scales_differently(bench: filterkit.Workbench, tmp_path: Path) -> None:
    onnx.save(build(NODES, {"x": ["N", 3, "H", "W"]}, WEIGHTS, opset=17), tmp_path / "net.onnx")
    bench.add(tmp_path / "net.onnx", preprocessing="torch")
    deviations = np.array([0.229, 0.224, 0.225])
    sheet = bench.sheet("net/last/0", expand=True)
    weights = bench.bank("net/last/0", expand=True)[0].transpose(1, 2, 0)
    assert sheet.values is not None
    np.testing.assert_allclose(
        sheet.values.reshape(5, 5, 3), weights * deviations.min() / deviations, rtol=1e-5
    )


def test_networks_without_colours(bench: filterkit.Workbench, tmp_path: Path) -> None:
    for channels, tiles in ((1, 4), (2, 8)):
        weights = {**WEIGHTS, "w": random(5, channels, 3, 3)}
        onnx.save(build(NODES, {"x": ["N", channels, "H", "W"]}, weights, opset=17), tmp_path / "net.onnx")
        bench.add(tmp_path / "net.onnx", replace=True)
        sheet = bench.sheet("net/last", expand=True)
        assert (sheet.count, sheet.is_colour, sheet.tile_shape) == (tiles, False, (5, 5))
        with pytest.raises(UsageError, match="rgb"):
            bench.sheet("net/last", expand=True, channels="rgb")


def test_results_are_not_filters(net: filterkit.Workbench) -> None:
    found = net.similar("net/last/0")
    for options in ({"expand": True}, {"channels": "factors"}):
        with pytest.raises(UsageError, match="only filters"):
            net.sheet(found, **options)
