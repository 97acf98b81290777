"""The Gabor source, compared with scikit-image's Gabor kernel, ONNX Runtime and a catalog."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import filterkit
import numpy as np
import onnx
import onnxruntime
import pytest
from filterkit.testing import private_names
from numpy.typing import NDArray
from skimage.filters import gabor_kernel

import filterkit_gabor
from filterkit_gabor.bank import BANDWIDTH, gabor_filters
from filterkit_gabor.source import GaborOptions, GaborSource


def fetch(ref: str, folder: Path) -> filterkit.FetchedModel:
    return GaborSource().fetch(ref, folder, lambda *_: None)


def reference(frequency: float, angle: float, size: int, phase: str) -> NDArray[np.float64]:
    """scikit-image's kernel, whose y axis points down, cropped to the same size, with mean 0 and norm 1."""
    kernel = gabor_kernel(frequency, theta=-angle, bandwidth=BANDWIDTH, n_stds=20)
    rows, columns = (slice(n // 2 - size // 2, n // 2 + size // 2 + 1) for n in kernel.shape)
    kernel = kernel[rows, columns]
    values = kernel.real if phase == "even" else kernel.imag
    window = np.abs(kernel)
    values = values - window * values.sum() / window.sum()
    return values / np.linalg.norm(values)


@pytest.mark.parametrize("phase", ["even", "odd"])
@pytest.mark.parametrize(("frequency", "size"), [(0.1, 15), (0.2, 15), (0.25, 9), (0.05, 31)])
def test_filters_are_those_of_scikit_image(frequency: float, size: int, phase: str) -> None:
    angles = np.arange(6) * np.pi / 6
    filters = gabor_filters(frequency, angles, size, phase)
    assert filters.shape == (6, size, size)
    for values, angle in zip(filters, angles, strict=True):
        np.testing.assert_allclose(values, reference(frequency, angle, size, phase), atol=1e-6)


@pytest.mark.parametrize("phase", ["even", "odd"])
def test_filters_have_no_mean_and_a_norm_of_one(phase: str) -> None:
    filters = gabor_filters(0.15, np.linspace(0, 3, 7), 21, phase)
    np.testing.assert_allclose(filters.sum(axis=(1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose((filters**2).sum(axis=(1, 2)), 1, rtol=1e-5)


def test_bare_gabor_is_all_defaults(tmp_path: Path) -> None:
    fetched = fetch("", tmp_path)
    model = onnx.load(fetched.onnx_path)
    onnx.checker.check_model(model, full_check=True)
    assert [node.name for node in model.graph.node] == ["even_0.1", "even_0.2"]
    assert [weights.dims for weights in model.graph.initializer] == [[8, 1, 15, 15]] * 2
    assert fetched.filter_labels is not None
    assert fetched.filter_labels["even_0.1"][2] == "45° f=0.10"


def test_origin_is_what_fetches_the_same_again(tmp_path: Path) -> None:
    ref = "?orientations=3&frequencies=0.125,0.3&size=7&phase=both"
    fetched = fetch(ref, tmp_path)
    first = fetched.onnx_path.read_bytes()
    assert fetched.origin == f"gabor:{ref}"
    assert fetch(fetched.origin.removeprefix("gabor:"), tmp_path).onnx_path.read_bytes() == first
    assert GaborOptions.parse(ref) == GaborOptions(3, (0.125, 0.3), 7, "both")


@pytest.mark.parametrize(
    ("ref", "words"),
    [
        ("?orientations=0", "1 to 180"),
        ("?orientations=many", "1 to 180"),
        ("?frequencies=0.5", "below 0.5"),
        ("?frequencies=nan", "below 0.5"),
        ("?frequencies=0.1,0.1", "distinct"),
        ("?frequencies=", "0.1,0.2"),
        ("?size=8", "odd"),
        ("?phase=sideways", "even, odd, both"),
        ("?sise=7", "size"),
        ("bank", "gabor:?"),
    ],
)
def test_wrong_options_are_told(ref: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(filterkit.UsageError) as caught:
        fetch(ref, tmp_path)
    assert words in f"{caught.value} {caught.value.hint}"


def test_each_orientation_answers_to_its_own_grating(tmp_path: Path) -> None:
    fetched = fetch("?orientations=6&frequencies=0.1", tmp_path)
    session = onnxruntime.InferenceSession(fetched.onnx_path, providers=["CPUExecutionProvider"])
    x, y = np.arange(64), -np.arange(48)[:, np.newaxis]
    angles = np.arange(6) * np.pi / 6
    gratings = [np.cos(2 * np.pi * 0.1 * (x * np.cos(a) + y * np.sin(a))) for a in angles]
    (maps,) = session.run(None, {"gray": np.stack(gratings)[:, np.newaxis].astype(np.float32)})
    assert maps.shape == (6, 6, 48, 64)
    strength = np.abs(maps[:, :, 10:-10, 10:-10]).max(axis=(2, 3))
    assert strength.argmax(axis=1).tolist() == [0, 1, 2, 3, 4, 5]


def test_through_filterkit(tmp_path: Path) -> None:
    with filterkit.open(tmp_path / "catalog.db") as bench:
        bench.add("gabor:?orientations=4&frequencies=0.1,0.2&phase=both")
        layers = list(bench.layers("gabor"))
        assert [row["layer"] for row in layers] == ["even_0.1", "odd_0.1", "even_0.2", "odd_0.2"]
        assert {row["filters"] for row in layers} == {4}
        labels = [row["label"] for row in bench.filters("gabor/even_0.2")]
        assert labels == ["0° f=0.20", "45° f=0.20", "90° f=0.20", "135° f=0.20"]
        angles = np.arange(4) * np.pi / 4
        expected = gabor_filters(0.1, angles, 15, "odd")[:, np.newaxis]
        np.testing.assert_array_equal(bench.bank("gabor/odd_0.1"), expected)


def test_importing_the_plugin_imports_nothing_heavy() -> None:
    code = "import sys, filterkit_gabor; print({'numpy', 'onnx'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_only_the_public_api_is_used() -> None:
    assert private_names(Path(filterkit_gabor.__file__).parent) == []
