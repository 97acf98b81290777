"""The tiny models are sound, and hold the filters they say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import filterkit
import filterkit.testing
from filterkit.testing import TINY_MODELS, bank_of, open_graph, tiny_catalog, tiny_model


@pytest.mark.parametrize("kind", TINY_MODELS)
def test_onnx_and_onnx_runtime_take_them(kind: str, tmp_path: Path) -> None:
    made = tiny_model(kind, tmp_path)
    onnx.checker.check_model(onnx.load(made.path), full_check=True)
    session = onnxruntime.InferenceSession(str(made.path), providers=["CPUExecutionProvider"])
    feeds = {
        value.name: np.ones(
            [size if isinstance(size, int) else 2 for size in value.shape],
            np.float16 if "float16" in value.type else np.float32,
        )
        for value in session.get_inputs()
    }
    [out] = session.run(None, feeds)
    assert out.size > 0
    assert tiny_model(kind, tmp_path).path.read_bytes() == made.path.read_bytes()


@pytest.mark.parametrize(
    "kind", sorted({*TINY_MODELS} - {"inside-if", "quantized", "transposed", "constant"})
)
def test_the_filters_are_those_in_the_file(kind: str, tmp_path: Path) -> None:
    made = tiny_model(kind, tmp_path)
    graph = onnx.load(made.path).graph
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    inputs = {each.name: each.input for each in graph.node}
    for name, weights in made.weights.items():
        np.testing.assert_array_equal(stored[inputs[name][1]], weights)


def test_weights_of_odd_sizes(tmp_path: Path) -> None:
    zero, equal, huge = (tiny_model(kind, tmp_path).weights["conv"] for kind in ("zero", "equal", "huge"))
    assert not zero.any()
    assert np.unique(equal).tolist() == [0.25]
    assert np.isfinite(huge).all() and 1e38 < abs(huge).max() < 2.5e38


def test_an_unknown_kind_is_told_which_there_are(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="unknown tiny model 'plane'; choose from plain, grouped, "):
        tiny_model("plane", tmp_path)


def test_a_quantized_filter_is_what_onnx_runtime_computes_with(tmp_path: Path) -> None:
    """A picture of zeros but for one pixel gives the filter back, turned, within a step of its codes."""
    made = tiny_model("quantized", tmp_path)
    session = onnxruntime.InferenceSession(str(made.path), providers=["CPUExecutionProvider"])
    picture = np.zeros((1, 3, 16, 24), np.float32)
    picture[0, 1, 5, 5] = 1
    [[maps]] = [session.run(None, {"image": picture})[0]]
    answer = maps[:, 3:6, 3:6][:, ::-1, ::-1] - made.biases["conv"][:, None, None]
    assert abs(answer - made.weights["conv"][:, 1]).max() <= 0.2


def test_the_catalog_holds_them_all(tmp_path: Path) -> None:
    catalog = tiny_catalog(tmp_path)
    with filterkit.open(catalog) as bench:
        assert [row["model"] for row in bench.models()] == list(TINY_MODELS)
        for kind in TINY_MODELS:
            made = tiny_model(kind, tmp_path)
            for row, weights in zip(bench.layers(kind), made.weights.values(), strict=True):
                np.testing.assert_array_equal(bench.bank(f"{kind}/{row['layer']}"), weights)
        assert [row["node"] for row in bench.skipped()] == ["computed"]


def test_a_bank_of_arrays() -> None:
    bank = bank_of(np.ones((6, 2, 3), np.float16), groups=3, activation="relu")
    assert (bank.in_channels, bank.out_channels, bank.pre_layout, bank.source_layout) == (6, 6, "NCW", "OIW")
    assert (bank.kernel_shape, bank.strides, bank.pads, bank.activation) == ((3,), (1,), (0, 0), "relu")


def test_all_that_is_public_is_there() -> None:
    for name in filterkit.testing.__all__:
        assert getattr(filterkit.testing, name) is not None
    assert set(filterkit.testing.__all__) <= set(dir(filterkit.testing))
    with pytest.raises(AttributeError, match="no attribute 'check_normaliser'"):
        filterkit.testing.check_normaliser  # noqa: B018
    assert open_graph is not None


def test_importing_it_imports_nothing_heavy() -> None:
    heavy = {"numpy", "onnx", "typer", "pytest", "pluggy"}
    code = f"import sys, filterkit.testing; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_checking_needs_no_pytest() -> None:
    code = (
        "import sys; from filterkit.testing import check_normalizer\n"
        "from filterkit.normalizers.minmax import MinMax\n"
        "check_normalizer(MinMax)\nprint('pytest' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
