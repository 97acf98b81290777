"""The Fourier basis, compared with finite differences and torch autograd in float64."""

from __future__ import annotations

import numpy as np
import pytest

from filterkit.visualization.spectrum import COLOURS, CONTRAST, SMOOTH, Spectrum

SIZES = [(8, 10), (7, 9), (1, 16), (1, 15)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_gradients_as_finite_differences(channels: int, size: tuple[int, int]) -> None:
    spectrum = Spectrum(channels, *size, colours=channels >= 3)
    rng = np.random.default_rng(0)
    at = 20 * spectrum.start([(0,)])
    weights = rng.standard_normal((1, channels, *size)).astype(np.float32)
    back = spectrum.back(spectrum.pictures(at), weights)
    for _ in range(4):
        along = 20 * spectrum.start([(int(rng.integers(1000)),)])
        ends = [float((spectrum.pictures(at + h * along) * weights).sum(dtype=float)) for h in (0.01, -0.01)]
        slope = np.sum(back.real * along.real + back.imag * along.imag)
        assert slope == pytest.approx((ends[0] - ends[1]) / 0.02, rel=0.02, abs=2e-2)


@pytest.mark.keras
@pytest.mark.parametrize("size", SIZES)
def test_as_torch(size: tuple[int, int]) -> None:
    torch = pytest.importorskip("torch")
    spectrum = Spectrum(3, *size, colours=True)
    start = 20 * spectrum.start([(0,), (1,)])
    own = np.hypot(np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1]))
    frequency = np.maximum(own, 1 / max(size)) ** (1 if size[0] > 1 else 0.5)
    smooth = 1 + (np.maximum(own, 1 / max(size)) / SMOOTH) ** 6
    scale = torch.tensor(CONTRAST * np.sqrt(size[0] * size[1]) / frequency / smooth)
    parts = torch.tensor(np.stack([start.real, start.imag], axis=-1)).double().requires_grad_()
    waves = torch.fft.irfft2(torch.view_as_complex(parts) * scale, s=size)
    colours = torch.tensor(COLOURS / np.linalg.norm(COLOURS, axis=0).max()).double()
    made = torch.sigmoid(torch.einsum("ij,njhw->nihw", colours, waves))
    pictures = spectrum.pictures(start)
    np.testing.assert_allclose(pictures, made.detach().numpy(), atol=1e-6)
    back = np.random.default_rng(0).standard_normal(made.shape).astype(np.float32)
    made.backward(torch.tensor(back).double())
    found = spectrum.back(pictures, back)
    largest = float(parts.grad.abs().max())
    np.testing.assert_allclose(found.real, parts.grad[..., 0], atol=1e-5 * largest)
    np.testing.assert_allclose(found.imag, parts.grad[..., 1], atol=1e-5 * largest)


def test_the_start_is_almost_gray_and_depends_on_the_seed() -> None:
    spectrum = Spectrum(3, 64, 64, colours=True)
    first, again, other = (spectrum.pictures(spectrum.start([seed])) for seed in ((0, 1), (0, 1), (0, 2)))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3
    assert np.abs(first - 0.5).max() < 0.2


def test_pictures_stay_in_their_range() -> None:
    spectrum = Spectrum(3, 16, 16, colours=True)
    pictures = spectrum.pictures(1e6 * spectrum.start([(0,)]))
    assert pictures.dtype == np.float32
    assert 0 <= pictures.min() <= pictures.max() <= 1


def test_a_fourth_channel_is_independent_of_the_colours() -> None:
    three, four = (Spectrum(channels, 8, 8, colours=True) for channels in (3, 4))
    start = four.start([(0,)])
    np.testing.assert_allclose(
        four.pictures(start)[:, :3], three.pictures(np.ascontiguousarray(start[:, :3])), atol=1e-6
    )
