"""The page about attribution: its commands run, its table is true, its pictures exist."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import filterkit
from filterkit.operations.quickstart import place_photo
from filterkit.plugins.host import load_plugins
from filterkit.plugins.registry import Registry
from filterkit.testing import build_model, code_blocks

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "attribution.md").read_text(encoding="utf-8")

RunPage = Callable[[str], dict[str, tuple[str, str]]]


@pytest.fixture
def folder(with_networks: Callable[..., Path]) -> Path:
    """With the models and the photo of the page."""
    folder = with_networks("open-nsfw")
    place_photo(folder, None, ours=True)
    return folder


@pytest.mark.zoo
def test_the_commands_run(folder: Path, run_page: RunPage) -> None:
    ran = run_page(PAGE)
    assert len(ran) == 9
    for name in re.findall(r" -o (\S+)", "\n".join(ran)):
        assert (folder / name).stat().st_size > 1000, name
    assert np.load("filter.npy").shape == (3, 224, 224)


@pytest.mark.zoo
def test_the_python_runs(folder: Path) -> None:
    (block,) = code_blocks(PAGE, "python")
    (folder / "page.py").write_text(block, encoding="utf-8")
    runpy.run_path(str(folder / "page.py"))
    assert (folder / "smooth.png").exists()


@pytest.mark.zoo
def test_the_table_of_random_weights(with_networks: Callable[..., Path]) -> None:
    with_networks()
    place_photo(Path(), None, ours=True)
    rows = re.findall(r"^\| `(block\w+)` \| (\S+) \| (\S+) \| (\S+) \|$", PAGE, re.M)
    assert len(rows) == 4
    with filterkit.open("catalog.db") as bench:

        def array(method: str, layer: str | None) -> np.ndarray:
            found = bench.attribute(
                *("vgg16/block5_conv3/10", "photo.jpg"),
                method=method,
                position=(9, 7),
                at="pre",
                randomize=layer,
            )
            return found.array.ravel()

        for method, place in (("gradient", 1), ("guided-backprop", 2), ("deconvnet", 3)):
            own = array(method, None)
            for row in (rows[0], rows[2])[: 2 if method == "gradient" else 1]:
                share = float(np.corrcoef(own, array(method, row[0]))[0, 1])
                assert share == pytest.approx(float(row[place]), abs=0.02), (method, row[0])


def test_its_pictures_exist() -> None:
    found = re.findall(r"\]\((images/\w+\.png)\)", PAGE)
    assert len(found) == 4
    assert all((DOCS / name).stat().st_size < 400_000 for name in found)


def test_the_example_of_a_method(tmp_path: Path) -> None:
    weights = np.random.default_rng(1).normal(size=(2, 3, 3, 3)).astype(np.float32)
    model = build_model([helper.make_node("Conv", ["x", "w"], ["y"], name="conv")], {"x": [1, 3, 9, 9]})
    model.graph.initializer.append(numpy_helper.from_array(weights, "w"))
    onnx.save(model, tmp_path / "net.onnx")
    example = runpy.run_path(str(DOCS / "examples" / "signed_steps.py"))
    host = load_plugins(discover=False)
    plugin = type("Plugin", (), {"filterkit_attributions": staticmethod(example["filterkit_attributions"])})
    host.add(plugin, name="filterkit-steps", version="1")
    picture = np.full((9, 9, 3), 100, np.uint8)
    with filterkit.Workbench(tmp_path / "catalog.db", registry=Registry(host)) as bench:
        bench.add(tmp_path / "net.onnx")
        found = bench.attribute("net/conv/1", picture, method="signed-steps:step=0.1", position=(2, 3))
    expected = np.zeros((3, 9, 9))
    expected[:, 2:5, 3:6] = weights[1] * 100 / 255
    np.testing.assert_allclose(found.array, expected, atol=1e-4)
    assert found.method == "filterkit-steps/signed-steps:step=0.1"
    assert found.notes[0].startswith("the value changes from ")
