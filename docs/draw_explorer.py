"""Draw ``images/explorer_light.png`` and ``images/explorer_dark.png``: the page of a filter in Chromium.

``python docs/draw_explorer.py CATALOG``, with a catalog that contains ``vgg16``.
"""

import sys
from pathlib import Path

from chromium_pictures import browsing, draw

PAGE = "/m/vgg16/block3_conv1/70"
IMAGES = Path(__file__).parent / "images"
LOADED = "return [...document.images].slice(0, 2).every(each => each.complete)"


def main(catalog):
    with browsing(catalog, 1280, 800) as (browser, start):
        for theme in ("light", "dark"):
            media = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
            draw(browser, start + PAGE, LOADED, IMAGES / f"explorer_{theme}.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
