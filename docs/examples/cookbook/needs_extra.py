"""Normalizer `equalized`: needs scikit-image, and says so if it is missing."""

import filterkit


class Equalized:
    def __init__(self):
        from skimage.exposure import equalize_hist  # an ImportError here names the extra to install

        self._equalize = equalize_hist

    def normalize(self, values):
        import numpy as np

        finite = np.isfinite(values)
        known = np.where(finite, values, 0).astype(np.float64)
        known /= np.abs(known).max(initial=0) or 1
        even = known.size == 0 or known.min() == known.max()
        drawn = np.full(known.shape, 0.5) if even else self._equalize(known)
        odd = int(values.size - finite.sum())
        return filterkit.Normalized(
            np.clip(drawn, 0, 1).astype(np.float32), None, None, None, odd, "equalized"
        )


@filterkit.hookimpl
def filterkit_normalizers():
    summary = "Histogram equalization: every gray equally often"
    return [filterkit.Contribution("equalized", summary, Equalized, extra="skimage")]
