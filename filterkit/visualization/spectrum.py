"""Pictures from Fourier coefficients with decorrelated colours, and gradients back to the coefficients.

Olah et al. 2017, "Feature Visualization" (https://distill.pub/2017/feature-visualization), section
"Preconditioning and Parameterization": steepest ascent on coefficients whose frequencies have equal energy,
and on colours that are independent in photos, does not end in high-frequency noise. The constants are those
of its implementation, lucid (https://github.com/tensorflow/lucid, ``optvis/param``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.records import FloatArray

COLOURS = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]], np.float32)
"""R, G and B of the principal colours of ImageNet, each times its standard deviation."""

CONTRAST = 0.25
"""Factor of coefficients; with it, the first steps change pictures visibly, but not beyond their range."""

SMOOTH = 0.35
"""Frequency, in cycles per pixel, from which on coefficients count less: those near 0.5 show the strides of
pooling and convolutions as checkerboards (Odena et al. 2016, https://distill.pub/2016/deconv-checkerboard)."""

NOISE = 0.01
"""Standard deviation of the coefficients at the start, where pictures are almost gray."""


class Spectrum:
    """Pictures of one size, as a differentiable function of their coefficients.

    Parameters
    ----------
    channels, height, width
        Of the pictures; a height of 1 is a signal in one dimension.
    colours
        Whether the first three channels are R, G and B.
    """

    def __init__(self, channels: int, height: int, width: int, *, colours: bool) -> None:
        self.shape = (channels, height, width)
        frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
        frequency = np.maximum(frequency, 1 / max(height, width))
        energy = frequency if height > 1 else np.sqrt(frequency)  # the same in each octave
        smooth = 1 / (1 + (frequency / SMOOTH) ** 6)
        twice = np.full(width // 2 + 1, 2, np.float32)  # columns that stand for two frequencies
        twice[0] = 1
        if width % 2 == 0:
            twice[-1] = 1
        # Factors of real and imaginary parts: a product of complex numbers takes longer.
        scale = (CONTRAST * np.sqrt(height * width) * smooth / energy).astype(np.float32)
        self._scale = np.repeat(scale, 2, axis=1)
        self._scale_back = np.repeat(scale * twice / (height * width), 2, axis=1)
        self._mixed = np.eye(channels, dtype=np.float32)
        if colours:
            self._mixed[:3, :3] = COLOURS / np.linalg.norm(COLOURS, axis=0).max()

    def start(self, seeds: list[tuple[int, ...]]) -> NDArray[np.complex64]:
        """Random coefficients, shape (pictures, channels, height, width // 2 + 1), one seed per picture."""
        channels, height, width = self.shape
        size = (channels, height, width // 2 + 1, 2)
        drawn = [NOISE * np.random.default_rng(seed).standard_normal(size, np.float32) for seed in seeds]
        return np.stack(drawn).view(np.complex64)[..., 0]

    def pictures(
        self,
        coefficients: NDArray[np.complex64],
        *,
        out: FloatArray | None = None,
        spare: FloatArray | None = None,
    ) -> FloatArray:
        """Pictures, shape (pictures, channels, height, width), between 0 and 1.

        Parameters
        ----------
        out
            Where they are written.
        spare
            Room for the coefficients' real and imaginary parts: new arrays take longer to get than to fill.
        """
        scaled = np.multiply(coefficients.view(np.float32), self._scale, out=spare).view(np.complex64)
        waves = fft.irfft2(scaled, s=self.shape[1:], overwrite_x=True)
        mixed = self._through(self._mixed, waves, out)
        # The logistic function; tanh does not overflow.
        mixed *= 0.5
        np.tanh(mixed, out=mixed)
        mixed *= 0.5
        mixed += 0.5
        return mixed

    def back(
        self, pictures: FloatArray, gradients: FloatArray, *, spare: FloatArray | None = None
    ) -> NDArray[np.complex64]:
        """The gradient of the coefficients (real and imaginary parts), from that of the pictures.

        Parameters
        ----------
        spare
            Room for pictures. If given, `gradients` are overwritten as well.
        """
        slopes = np.subtract(1, pictures, out=spare)
        slopes *= pictures
        slopes *= gradients
        waves = self._through(self._mixed.T, slopes, None if spare is None else gradients)
        found: NDArray[np.complex64] = fft.rfft2(waves).astype(np.complex64, copy=False)
        parts = found.view(np.float32)
        parts *= self._scale_back
        return found

    @staticmethod
    def _through(matrix: FloatArray, pictures: FloatArray, out: FloatArray | None = None) -> FloatArray:
        found = np.empty(pictures.shape, np.float32) if out is None else out
        planes = (*pictures.shape[:2], -1)
        np.matmul(matrix, pictures.reshape(planes), out=found.reshape(planes))
        return found
