"""Metric `separability`: how far a filter's kernels are an outer product of a column and a row, 0 to 1."""

import filterkit


class Separability:
    columns = ("separability",)

    def measure(self, bank):
        import numpy as np  # here, so that listing the plugin stays quick

        if len(bank.kernel_shape) != 2:
            return {"separability": np.full(bank.out_channels, np.nan)}
        energy = np.linalg.svd(bank.weights.astype(np.float64), compute_uv=False) ** 2
        total = energy.sum(axis=(1, 2))
        first = energy[..., 0].sum(axis=1)
        return {"separability": np.divide(first, total, out=np.ones_like(total), where=total > 0)}


@filterkit.hookimpl
def filterkit_metrics():
    return [filterkit.Contribution("separability", "Share of rank-one energy", Separability)]
