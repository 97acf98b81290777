from dataclasses import dataclass

import filterkit


@dataclass(frozen=True)
class Binary:
    """White where a weight is above the threshold, black elsewhere."""

    threshold: float = 0.0

    def normalize(self, values):
        above = (values > self.threshold).astype("float32")  # NaN is not above anything
        return filterkit.Normalized(above, vmin=None, vmax=None, centre=None, summary=f"> {self.threshold:g}")


@filterkit.hookimpl
def filterkit_normalizers():
    return [filterkit.Contribution("binary", "Black or white", Binary)]
