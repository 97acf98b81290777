"""Draw ``images/atlas.png``: the atlas of VGG16 in Chromium, as a person sees it.

``python docs/draw_atlas.py CATALOG``, with a catalog that contains ``vgg16``.
"""

import sys
from pathlib import Path

from chromium_pictures import browsing, draw

PAGE = "/atlas/vgg16?colour=signs&address=vgg16%2Fblock3_conv1%2F70"
TARGET = Path(__file__).parent / "images" / "atlas.png"
LOADED = "return 'loaded' in document.getElementById('atlas').dataset"


def main(catalog):
    with browsing(catalog, 1160, 740) as (browser, start):
        draw(browser, start + PAGE, LOADED, TARGET)


if __name__ == "__main__":
    main(*sys.argv[1:])
