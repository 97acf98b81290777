"""The classic kernels against scikit-image, SciPy and Pillow, run by ONNX Runtime, borders included."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy import ndimage
from skimage import data, filters

from filterkit.classic_kernels import KERNELS
from filterkit.errors import UsageError
from filterkit.records import FetchedModel
from filterkit.sources.classic import ClassicSource

Array = NDArray[np.floating]


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> FetchedModel:
    return ClassicSource().fetch("", tmp_path_factory.mktemp("classic"), lambda *_: None)


@pytest.fixture(scope="module")
def picture() -> Array:
    """A real photograph, of a size that no axis mix-up survives."""
    return (data.camera()[100:171, 200:257] / 255).astype(np.float32)


@pytest.fixture(scope="module")
def outputs(fetched: FetchedModel, picture: Array) -> dict[str, Array]:
    session = onnxruntime.InferenceSession(fetched.onnx_path, providers=["CPUExecutionProvider"])
    values = session.run(None, {"gray": picture[np.newaxis, np.newaxis]})
    names = [output.name for output in session.get_outputs()]
    return {name: value[0, 0] for name, value in zip(names, values, strict=True)}


def binomial_blur(picture: Array, passes: int) -> Array:
    """Average each pixel with its neighbour, back and forth: what makes binomial kernels, without any."""
    for axis in (0, 1):
        for _ in range(passes):
            picture = ndimage.correlate1d(picture, [1, 2, 1], axis, mode="nearest") / 4
    return picture


def test_all_layers_are_there_with_the_size_of_the_picture(outputs: dict[str, Array], picture: Array) -> None:
    assert list(outputs) == list(KERNELS)
    assert {values.shape for values in outputs.values()} == {picture.shape}


ORACLES: dict[str, Callable[[Array], Array]] = {
    # scikit-image names them by the direction of the edge, and scales by the kernel's weight.
    "edge_sobel_x": lambda p: 4 * filters.sobel_v(p),
    "edge_sobel_y": lambda p: 4 * filters.sobel_h(p),
    "edge_prewitt_x": lambda p: 3 * filters.prewitt_v(p),
    "edge_prewitt_y": lambda p: 3 * filters.prewitt_h(p),
    # It convolves, so that its two by two kernels lie turned around, which changes their sign.
    "edge_roberts_1": lambda p: -filters.roberts_pos_diag(p),
    "edge_roberts_2": lambda p: -filters.roberts_neg_diag(p),
    "blur_box_3": lambda p: ndimage.uniform_filter(p, 3, mode="nearest"),
    "blur_gaussian_3": lambda p: binomial_blur(p, 1),
    "sharpen_laplacian": lambda p: ndimage.laplace(p, mode="nearest"),
    "sharpen_basic": lambda p: p - ndimage.laplace(p, mode="nearest"),
}


@pytest.mark.parametrize("name", ORACLES)
def test_agrees_with_image_libraries_up_to_the_border(
    name: str, outputs: dict[str, Array], picture: Array
) -> None:
    np.testing.assert_allclose(outputs[name], ORACLES[name](picture.astype(np.float64)), atol=2e-6)


def test_five_by_five_kernels_are_the_three_by_three_blur_twice(
    outputs: dict[str, Array], picture: Array
) -> None:
    precise = picture.astype(np.float64)
    padded = binomial_blur(np.pad(precise, 2, mode="edge"), 2)[2:-2, 2:-2]
    np.testing.assert_allclose(outputs["blur_gaussian_5"], padded, atol=2e-6)
    np.testing.assert_allclose(outputs["sharpen_unsharp_5"], precise + (precise - padded), atol=2e-6)


@pytest.mark.parametrize("name", ["emboss", "sharpen_basic", "blur_box_3", "blur_gaussian_5"])
def test_agrees_with_pillow_inside(name: str, outputs: dict[str, Array], picture: Array) -> None:
    kernel = KERNELS[name]
    size, margin = (kernel.size, kernel.size), kernel.size // 2
    # Pillow reads a kernel bottom row first, and answers in whole numbers 0..255.
    numbers = [kernel.factor * value for row in reversed(kernel.rows) for value in row]
    gray = Image.fromarray(np.round(picture * 255).astype(np.uint8))
    theirs = np.asarray(gray.filter(ImageFilter.Kernel(size, numbers, scale=1)), np.float64)
    ours = np.clip(outputs[name] * 255, 0, 255)
    inside = (slice(margin, -margin),) * 2
    np.testing.assert_allclose(ours[inside], theirs[inside], atol=0.51)


def test_derivatives_answer_positively_to_light_on_the_right_and_below(fetched: FetchedModel) -> None:
    ramp = np.broadcast_to(np.linspace(0, 1, 9, dtype=np.float32), (9, 9))
    session = onnxruntime.InferenceSession(fetched.onnx_path, providers=["CPUExecutionProvider"])
    for kind in ("sobel", "prewitt"):
        for axis, values in (("x", ramp), ("y", ramp.T)):
            (answer,) = session.run([f"edge_{kind}_{axis}"], {"gray": values[np.newaxis, np.newaxis]})
            assert answer[0, 0, 4, 4] > 0


def test_the_model_is_valid_and_always_the_same(fetched: FetchedModel, tmp_path: Path) -> None:
    onnx.checker.check_model(fetched.onnx_path, full_check=True)
    again = ClassicSource().fetch("", tmp_path, lambda *_: None)
    assert again.onnx_path.read_bytes() == fetched.onnx_path.read_bytes()
    assert fetched.filter_labels is not None
    assert fetched.filter_labels["edge_sobel_x"] == ("Sobel x",)


def test_takes_no_reference(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="takes no reference, got 'sobel'"):
        ClassicSource().fetch("sobel", tmp_path, lambda *_: None)
