"""Weights in parts: weight and spectral norms, pruning, codes with scales."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_graphs import random
from weight_files import BIAS, G, V, banks_of, read

from filterkit.errors import FilterkitWarning, SourceError
from filterkit.records import FilterBank

ml_dtypes = pytest.importorskip("ml_dtypes")  # of newer versions of onnx only


def close(bank: FilterBank, expected: np.ndarray) -> None:
    assert bank.weights.dtype == np.float32
    np.testing.assert_allclose(bank.weights, expected, rtol=1e-5)


def length(values: np.ndarray, *axes: int) -> np.ndarray:
    return np.sqrt((values.astype(np.float64) ** 2).sum(axes, keepdims=True))


@pytest.mark.parametrize(
    "names",
    [("weight_g", "weight_v"), ("parametrizations.weight.original0", "parametrizations.weight.original1")],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_weight_norm(names: tuple[str, str], dtype: type[np.generic], tmp_path: Path) -> None:
    g, v = G.astype(dtype), V.astype(dtype)
    banks = banks_of({f"conv.{names[0]}": g, f"conv.{names[1]}": v, "conv.bias": BIAS}, tmp_path)
    assert list(banks) == ["conv"]
    close(banks["conv"], g.astype(np.float64) * v / length(v, 1, 2, 3))
    np.testing.assert_array_equal(banks["conv"].bias, BIAS)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((4, 1, 1), (1, 2)), ((1, 3, 1), (0, 2)), ((1, 1, 5), (0, 1)), ((), (0, 1, 2)), ((4,), (1, 2))],
)
def test_weight_norm_over_other_axes(shape: tuple[int, ...], axes: tuple[int, ...], tmp_path: Path) -> None:
    v, g = random(4, 3, 5), np.abs(random(*shape, seed=3)).astype(np.float32)
    [bank] = banks_of({"c.weight_g": g, "c.weight_v": v}, tmp_path).values()
    whole = g.reshape(4, 1, 1) if shape == (4,) else g
    close(bank, whole * v / length(v, *axes))


def test_a_transposed_convolution_with_weight_norm_is_known_by_its_bias(tmp_path: Path) -> None:
    v, g = random(6, 3, 4), np.abs(random(6, 1, 1, seed=3))
    arrays = {"ups.0.weight_g": g, "ups.0.weight_v": v, "ups.0.bias": random(3)}
    [bank] = banks_of(arrays, tmp_path).values()
    assert (bank.op, bank.in_channels, bank.out_channels, bank.bias is None) == ("ConvTranspose", 6, 3, False)
    close(bank, (g * v / length(v, 1, 2)).swapaxes(0, 1))


@pytest.mark.parametrize(
    "names",
    [
        ("weight_orig", "weight_u", "weight_v"),
        ("weight_bar", "weight_u", "weight_v"),
        ("parametrizations.weight.original", "parametrizations.weight.0._u", "parametrizations.weight.0._v"),
    ],
)
def test_spectral_norm(names: tuple[str, str, str], tmp_path: Path) -> None:
    u, v = random(4, seed=5), random(27, seed=6)
    [bank] = banks_of(
        {f"conv.{name}": value for name, value in zip(names, (V, u, v), strict=True)}, tmp_path
    ).values()
    close(bank, V / (u @ V.reshape(4, -1) @ v))


def test_spectral_norm_of_a_transposed_convolution_and_without_v(tmp_path: Path) -> None:
    weight, u, v = random(6, 3, 2, 2), random(3), random(24)
    arrays = {
        "a.weight_orig": weight,
        "a.weight_u": u,
        "a.weight_v": v,
        "b.weight_orig": V,
        "b.weight_u": BIAS,
    }
    banks = banks_of(arrays, tmp_path)
    close(banks["a"], weight / (u @ weight.swapaxes(0, 1).reshape(3, -1) @ v))
    matrix = V.reshape(4, -1)
    direction = matrix.T @ BIAS
    close(banks["b"], V / (BIAS @ matrix @ (direction / np.linalg.norm(direction))))


def test_pruning_and_weights_that_are_there_as_a_whole(tmp_path: Path) -> None:
    mask = (V > 0).astype(np.float32)
    arrays = {"a.weight_orig": V, "a.weight_mask": mask, "b.weight": V, "b.weight_v": V, "b.weight_g": G}
    banks = banks_of(arrays, tmp_path)
    assert list(banks) == ["a", "b"]
    close(banks["a"], V * mask)
    close(banks["b"], V)


@pytest.mark.parametrize(
    "parts",
    [
        {"c.weight_v": V},
        {"c.weight_v": V, "c.weight_g": random(5, 1, 1, 1)},
        {"c.weight_v": V, "c.weight_g": random(4, 2, 1, 1)},
        {"c.parametrizations.weight.original1": V},
        {"c.parametrizations.weight.original": V},
        {"c.weight_orig": V},
        {"c.weight_orig": V, "c.weight_mask": V[:2]},
        {"c.weight_bar": V, "c.weight_u": random(5)},
    ],
)
def test_a_part_of_a_weight_alone_is_no_layer(parts: dict[str, Any], tmp_path: Path) -> None:
    name = next(iter(parts))
    with pytest.warns(
        FilterkitWarning, match=f"'{name}' is left out: the file contains no matching norm, mask or scale"
    ):
        assert list(banks_of(parts | {"d.weight": V}, tmp_path)) == ["d"]
    with (
        pytest.warns(FilterkitWarning, match="left out"),
        pytest.raises(SourceError, match="has the shape of a convolution weight"),
    ):
        banks_of(parts, tmp_path)


def test_parts_without_their_others_are_counted_in_one_line(tmp_path: Path) -> None:
    parts = {f"{letter}.weight_v": V for letter in "abcef"}
    words = r"5 arrays \('a.weight_v', 'b.weight_v', 'c.weight_v', …\) are left out"
    with pytest.warns(FilterkitWarning, match=words):
        assert list(banks_of(parts | {"d.weight": V, "v.weight": V}, tmp_path)) == ["d", "v"]


CODES = np.arange(-54, 54).reshape(4, 3, 3, 3)


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ({"c.weight": CODES.astype(np.int8), "c.weight_scale": G}, CODES * G),
        ({"c.weight": CODES.astype(np.int8), "c.weight.scale": G.ravel()}, CODES * G),
        ({"c.weight": CODES.astype(np.int8), "c.scale": np.float32([0.5])}, CODES * 0.5),
        (
            {
                "c.weight": (CODES + 128).astype(np.uint8),
                "c.weight_scale": G.ravel(),
                "c.weight_zero_point": np.uint8([128, 127, 126, 125]),
            },
            (CODES + np.reshape([0, 1, 2, 3], (4, 1, 1, 1))) * G,
        ),
    ],
)
def test_codes_are_dequantized(arrays: dict[str, Any], expected: np.ndarray, tmp_path: Path) -> None:
    [bank] = banks_of(arrays, tmp_path).values()
    close(bank, expected)
    np.savez(tmp_path / "net.npz", **arrays)
    [bank] = read(tmp_path / "net.npz", tmp_path / "work").values()
    close(bank, expected)


def test_codes_of_floats(tmp_path: Path) -> None:
    codes = V.astype(ml_dtypes.float8_e4m3fn)
    [bank] = banks_of({"c.weight": codes, "c.weight_scale_inv": np.float32(3)}, tmp_path).values()
    close(bank, codes.astype(np.float32) * 3)


@pytest.mark.parametrize("scale", [None, random(5), random(4, 3)])
def test_codes_without_a_scale_are_never_weights(scale: np.ndarray | None, tmp_path: Path) -> None:
    arrays = {"c.weight": CODES.astype(np.int8)} | ({} if scale is None else {"c.weight_scale": scale})
    with pytest.raises(SourceError) as caught:
        banks_of(arrays, tmp_path)
    assert "codes with a scale" in (caught.value.hint or "")
    assert list(banks_of(arrays | {"d.weight": V}, tmp_path)) == ["d"]
