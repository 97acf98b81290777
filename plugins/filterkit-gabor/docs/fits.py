"""Draw the picture in the README: python fits.py LAYER PICTURE, with the layer's model in the catalog."""

import sys

import filterkit
import matplotlib.pyplot as plt
import numpy as np

layer, picture = sys.argv[1:]
with filterkit.open() as bench:
    filters = bench.filters(layer, where="gabor_explained > 0.9", sort="-gabor_frequency")
    total = bench.count_filters(layer)
    bank = bench.bank(layer)
    channels = bench.sheet(f"{layer}/0").tile_labels
figure = plt.figure(figsize=(9, 4.2), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=(5, 4))
for row, axes in zip(filters, left.subplots(5, 8).flat, strict=False):
    weights = bank[row["filter"]][[channels.index(name) for name in "RGB"]].transpose(1, 2, 0)
    axes.imshow(0.5 + weights / (2 * np.abs(weights).max()))
    axes.set_title(f"{row['gabor_orientation']:.0f}°  {row['gabor_frequency']:.2f}", fontsize=7, pad=2)
for axes in left.axes:
    axes.axis("off")
left.suptitle(f"{layer}: explained above 90 %", fontsize=10)
polar = right.subplots(subplot_kw={"projection": "polar"})
polar.set_thetamax(180)
polar.scatter(
    np.radians([row["gabor_orientation"] for row in filters]),
    [row["gabor_frequency"] for row in filters],
    c=[row["gabor_explained"] for row in filters],
    cmap="viridis_r",
    vmin=0.9,
    vmax=1,
)
polar.set_rgrids((0.1, 0.2, 0.3, 0.4), angle=15, fontsize=8)
polar.set_title(f"orientation and frequency\nof {len(filters)} of {total} filters", fontsize=10)
figure.savefig(picture, dpi=110)
