from dataclasses import dataclass

import filterkit


@dataclass(frozen=True)
class Binary:
    """White where a weight is above the threshold, black elsewhere."""

    threshold: float = 0.0

    def normalize(self, values):
        above = (values > self.threshold).astype("float32")  # NaN is not above anything
        odd = values.size - int((abs(values) < float("inf")).sum())
        return filterkit.Normalized(above, None, None, None, odd, f"above {self.threshold:g}")


@filterkit.hookimpl
def filterkit_normalizers():
    return [filterkit.Contribution("binary", "Black or white", Binary)]
