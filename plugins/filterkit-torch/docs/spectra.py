"""Draw the picture in the README: python spectra.py PICTURE, with CREPE as `crepe` in the catalog."""

import sys

import filterkit
import matplotlib.pyplot as plt
import numpy as np

RATE = 16_000  # samples per second
SHOWN = 5

with filterkit.open() as bench:
    filters = bench.bank("crepe/conv1").reshape(-1, 512)
spectra = np.abs(np.fft.rfft(filters, 4096))
spectra /= spectra.max(axis=1, keepdims=True)
hertz = np.fft.rfftfreq(4096, 1 / RATE)
order = spectra.argmax(axis=1).argsort(kind="stable")

figure = plt.figure(figsize=(9, 4.4), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=(4, 5))
purity = spectra.max(axis=1) / spectra.sum(axis=1)
chosen = [part[purity[part].argmax()] for part in np.array_split(order, SHOWN)]
for axes, number in zip(left.subplots(SHOWN, sharex=True), chosen, strict=True):
    axes.plot(np.arange(512) * 1000 / RATE, filters[number], linewidth=0.8)
    axes.set_title(
        f"crepe/conv1/{number}: {hertz[spectra[number].argmax()]:,.0f} Hz", fontsize=8, loc="left", pad=2
    )
    axes.set_yticks([])
    axes.spines[["top", "right", "left"]].set_visible(False)
axes.set_xlabel("milliseconds", fontsize=8)
axes.tick_params(labelsize=8)
left.suptitle("the purest of each fifth of the filters", fontsize=10)
axes = right.subplots()
below = hertz <= 2000
axes.pcolormesh(hertz[below], np.arange(len(order)), spectra[order][:, below], cmap="magma", rasterized=True)
axes.set_xlabel("frequency in Hz", fontsize=8)
axes.set_ylabel(f"all {len(order)} filters, by the frequency of their maximum", fontsize=8)
axes.tick_params(labelsize=8)
right.suptitle("what they respond to (brightest: most)", fontsize=10)
figure.savefig(sys.argv[1], dpi=110, metadata={"Software": f"filterkit {filterkit.__version__}"})
