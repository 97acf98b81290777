"""Metric `off_centre`: distance, in pixels, of the centre of a filter's weight from its middle."""

import filterkit


class OffCentre:
    columns = ("off_centre",)

    def measure(self, bank):
        import numpy as np

        weight = np.abs(np.nan_to_num(bank.weights.astype(np.float64), posinf=0, neginf=0))
        weight /= weight.max(initial=0) or 1  # the sum of huge ones overflows
        weight = weight.sum(axis=1)  # over all kernels of a filter
        total = weight.reshape(bank.out_channels, -1).sum(axis=1)
        squared = np.zeros(bank.out_channels)
        with np.errstate(invalid="ignore"):
            for axis, size in enumerate(bank.kernel_shape):
                others = tuple(other + 1 for other in range(len(bank.kernel_shape)) if other != axis)
                along = weight.sum(axis=others)
                squared += (along @ (np.arange(size) - (size - 1) / 2) / total) ** 2
        return {"off_centre": np.sqrt(squared)}  # NaN, and so NULL, for a filter of zeros


@filterkit.hookimpl
def filterkit_metrics():
    return [filterkit.Contribution("off-centre", "Distance of a filter's weight from its middle", OffCentre)]
