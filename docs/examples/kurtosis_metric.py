"""Response metric `kurtosis`: how heavy the tails of a filter's responses are; 3 if they are normal."""

import filterkit


class Kurtosis:
    columns = ("response_kurtosis",)

    def summarize(self, maps):
        import numpy as np  # here, so that listing the plugin stays quick

        values = maps.astype(np.float64).reshape(*maps.shape[:2], -1)
        sums = {f"power_{n}": (values**n).sum(axis=(0, 2)) for n in (1, 2, 3, 4)}
        return {**sums, "count": np.int64(values.shape[0] * values.shape[2])[None]}

    def merge(self, one, other):
        return {name: one[name] + other[name] for name in one}

    def values(self, summary):
        import numpy as np

        m1, m2, m3, m4 = (summary[f"power_{n}"] / summary["count"] for n in (1, 2, 3, 4))
        variance = m2 - m1**2
        fourth = m4 - 4 * m3 * m1 + 6 * m2 * m1**2 - 3 * m1**4
        with np.errstate(invalid="ignore", divide="ignore"):
            return {"response_kurtosis": np.where(variance > 1e-12 * m2, fourth / variance**2, np.nan)}


@filterkit.hookimpl
def filterkit_response_metrics():
    return [filterkit.Contribution("kurtosis", "Kurtosis of the responses of a filter", Kurtosis)]
