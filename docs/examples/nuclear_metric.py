"""Metric `nuclear`: the sum of a layer's singular values, and each filter's part in the largest one."""

import filterkit


class Nuclear:
    columns = ("leading",)
    layer_columns = ("nuclear_norm",)

    def measure(self, bank):
        left, _ = self.singular(bank)
        return {"leading": abs(left[:, 0])}

    def measure_layer(self, bank):
        _, values = self.singular(bank)
        return {"nuclear_norm": values.sum()}

    def singular(self, bank):
        import numpy as np  # here, so that listing the plugin stays quick

        finite = np.nan_to_num(bank.weights.astype(np.float64), posinf=0, neginf=0)
        left, values, _ = np.linalg.svd(finite.reshape(bank.out_channels, -1), full_matrices=False)
        return left, values


@filterkit.hookimpl
def filterkit_metrics():
    return [filterkit.Contribution("nuclear", "Singular values of a layer", Nuclear)]
