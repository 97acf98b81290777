"""Draw the picture in the README: python digits.py PICTURE, with mnist-cnn in the catalog.

It shows the responses of the network's dense layer, ten filters, to ten printed digits.
"""

import sys
from pathlib import Path

import filterkit
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image, ImageDraw, ImageFont

FONT = Path(mpl.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")


def printed(digit: int) -> Image.Image:
    """A white digit on black, 28 × 28 pixels, as in MNIST."""
    image = Image.new("L", (28, 28))
    ImageDraw.Draw(image).text((14, 14), str(digit), 255, ImageFont.truetype(FONT, 22), "mm")
    return image


images = [printed(digit) for digit in range(10)]
with filterkit.open() as bench:
    layer = bench.layers("mnist-cnn")[-1]["address"]
    responses = np.array([bench.feature_maps(layer, image, at="pre").array.ravel() for image in images])

figure, axes = plt.subplots(figsize=(6.2, 5.6), layout="constrained")
reach = abs(responses).max()
drawn = axes.imshow(responses, cmap="RdBu_r", vmin=-reach, vmax=reach)
for digit, image in enumerate(images):
    inset = axes.inset_axes((-1.4, digit - 0.4, 0.8, 0.8), transform=axes.transData)
    inset.imshow(image, cmap="gray")
    inset.axis("off")
for digit, best in enumerate(responses.argmax(axis=1)):
    axes.add_patch(plt.Rectangle((best - 0.5, digit - 0.5), 1, 1, fill=False, linewidth=2))
axes.set_xlim(-1.5, 9.5)
axes.set_xticks(range(10), [f"/{number}" for number in range(10)])
axes.set_yticks([])
axes.spines[:].set_visible(False)
axes.set_xlabel(f"filters of {layer}; a frame marks the strongest response")
axes.set_ylabel("picture")
figure.colorbar(drawn, shrink=0.6, label="response")
figure.savefig(sys.argv[1], dpi=110, metadata={"Software": f"filterkit {filterkit.__version__}"})
