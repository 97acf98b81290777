"""The panel: its fit is that of the metric, and its drawing lies where the wave is."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import filterkit
import numpy as np
import pytest
from filterkit.testing import build_model, check_panel, node, tiny_catalog
from numpy.typing import NDArray

from filterkit_gabor.bank import gabor_filters
from filterkit_gabor.panel import GaborPanel, outline


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[filterkit.Workbench]:
    """Gabor filters, and a layer of two kernels per filter whose second is one of them."""
    folder = tmp_path_factory.mktemp("catalog")
    waves = gabor_filters(0.2, np.radians([30.0, 120.0]), 9, "odd").astype(np.float32)
    weights = np.stack([[0.1 * waves[1], 3 * waves[0] + 1], [waves[0] * 0, waves[0] * 0]])
    model = build_model([node("Conv", "x w", "y", "conv")], {"x": ["N", 2, "H", "W"]}, {"w": weights})
    (folder / "two.onnx").write_bytes(model.SerializeToString())
    with filterkit.open(folder / "catalog.db") as made:
        made.add("gabor:?orientations=4&frequencies=0.1,0.2&phase=both")
        made.add(folder / "two.onnx")
        yield made


def shown(bench: filterkit.Workbench, address: str) -> tuple[dict[str, float], filterkit.PanelContent]:
    content = GaborPanel().show(bench, address, {})
    assert content is not None
    assert content.rows is not None
    return {row["parameter"]: row["value"] for row in content.rows}, content


def test_it_passes_the_checks_of_panels() -> None:
    check_panel(
        GaborPanel, "plain/conv1/0", "plain/conv2/0/0", "gabor/even_0.1/3", models=["gabor:?phase=both"]
    )


def test_its_parameters_are_those_of_the_metric(bench: filterkit.Workbench) -> None:
    for row in bench.filters():
        if row["gabor_explained"] is not None:
            found, _ = shown(bench, row["address"])
            for name in ("orientation", "frequency", "phase", "explained"):
                np.testing.assert_allclose(
                    found[name], row[f"gabor_{name}"], rtol=1e-6, atol=1e-6, err_msg=name
                )


def test_the_pictures_add_up(bench: filterkit.Workbench) -> None:
    found, content = shown(bench, "two/conv/0/1")
    kernel, fit, residual = (
        2 * content.sheets[name].tiles[0, 0].astype(float) - 1 for name in ("kernel", "fit", "residual")
    )
    np.testing.assert_allclose(kernel, fit + residual, atol=1e-5)
    weights = bench.bank("two/conv/0/1")[0, 0].astype(float)
    weights -= weights.mean()
    np.testing.assert_allclose(kernel * np.abs(weights).max(), weights, atol=1e-4)
    assert np.abs(residual).max() < 1e-3, "it is a Gabor function"
    assert found["explained"] > 1 - 1e-6
    noisy, content = shown(bench, "two/conv/0")
    assert noisy["orientation"] == pytest.approx(found["orientation"], abs=0.01), "its strongest kernel"


def test_kernels_that_cannot_be_fitted_have_none(bench: filterkit.Workbench, tmp_path: Path) -> None:
    assert GaborPanel().show(bench, "two/conv/1", {}) is None
    assert GaborPanel().show(bench, "two/conv/1/0", {}) is None
    with filterkit.open(tiny_catalog(tmp_path, ["conv1d", "pointwise", "not-finite", "plain"])) as tiny:
        for address in ("conv1d/conv/0", "pointwise/conv/0"):
            assert GaborPanel().show(tiny, address, {}) is None
        assert GaborPanel().show(tiny, "plain/conv1/0", {}) is not None


def brightness(kernel: NDArray[np.float64], line: list[float]) -> float:
    """The value in the middle of a line, between the pixels around it."""
    x, y = (line[0] + line[2]) / 2 - 0.5, (line[1] + line[3]) / 2 - 0.5
    left, top = int(np.floor(x)), int(np.floor(y))
    if not (0 <= left < kernel.shape[1] - 1 and 0 <= top < kernel.shape[0] - 1):
        return 0.0
    corners = kernel[top : top + 2, left : left + 2]
    return float(np.array([1 - y + top, y - top]) @ corners @ np.array([1 - x + left, x - left]))


@pytest.mark.parametrize("angle", [0.0, 30.0, 75.0, 90.0, 160.0])
@pytest.mark.parametrize("phase", ["even", "odd"])
def test_crests_are_bright_and_troughs_dark(angle: float, phase: str, tmp_path: Path) -> None:
    [kernel] = gabor_filters(0.12, np.radians([angle]), 21, phase).astype(np.float64)  # type: ignore[arg-type]
    weights = {"w": kernel[None, None].astype(np.float32)}
    model = build_model([node("Conv", "x w", "y", "conv")], {"x": ["N", 1, "H", "W"]}, weights)
    (tmp_path / "one.onnx").write_bytes(model.SerializeToString())
    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.add(tmp_path / "one.onnx")
        _, content = shown(bench, "one/conv/0/0")
    crests, troughs = (
        [brightness(kernel, line) for line in content.values[n]] for n in ("crests", "troughs")
    )
    assert len(crests) + len(troughs) >= 2
    assert max(crests) > 0.5 * kernel.max()
    assert min(troughs) < 0.5 * kernel.min()
    assert min(crests) > -0.05 * kernel.max()
    assert max(troughs) < 0.05 * kernel.max()


def test_lines_end_where_the_function_does() -> None:
    found = {"orientation": 20.0, "frequency": 0.4, "phase": 10.0, "sigma": 2.0, "x": 1.0, "y": -1.0}
    drawn = outline(found, 11, 9)
    assert (drawn["centre"], drawn["radius"]) == ([5.5, 6.5], 4)
    for line in (*drawn["crests"], *drawn["troughs"]):
        for end in (line[:2], line[2:]):
            assert np.hypot(*np.subtract(end, drawn["centre"])) == pytest.approx(6, abs=0.01)


def test_its_template_is_in_the_package() -> None:
    assert (files("filterkit_gabor") / "templates" / "gabor.html").is_file()
