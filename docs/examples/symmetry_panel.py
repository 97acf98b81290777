"""Panel `symmetry`: how little a kernel changes when it is mirrored; on the pages of kernels."""

import filterkit


class Symmetry:
    title = "Symmetry"
    kinds = ("kernel",)

    def show(self, bench, address, options):
        import numpy as np  # here, so that listing the plugin stays quick

        kernel = bench.bank(address)[0, 0].astype(np.float64)
        largest = abs(kernel).max()
        if kernel.ndim != 2 or not 0 < largest < np.inf:
            return None  # nothing to show: the panel is left out
        kernel = kernel / largest
        images = {
            "left and right": kernel[:, ::-1],
            "up and down": kernel[::-1],
            "both": kernel[::-1, ::-1],
        }
        cosine = {name: (kernel * image).sum() / (kernel**2).sum() for name, image in images.items()}
        tiles = (np.stack([kernel, *images.values()]) + 1) / 2  # gray is zero
        sheet = filterkit.TileSheet(tiles[np.newaxis].astype(np.float32), count=4)
        return filterkit.PanelContent(
            rows=[{"mirrored": name, "cosine": value} for name, value in cosine.items()],
            caption="Cosine of the kernel with its mirror images",
            sheets={"the kernel and its mirror images": sheet},
        )


@filterkit.hookimpl
def filterkit_panels():
    return [filterkit.Contribution("symmetry", "A kernel and its mirror images", Symmetry)]
