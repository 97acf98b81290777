"""Draw ``images/explorer_light.png`` and ``images/explorer_dark.png``: the page of a filter in Chromium.

``python docs/draw_explorer.py CATALOG``, with a catalog that contains ``vgg16``; needs Chromium, its
chromedriver and selenium.
"""

import io
import shutil
import subprocess
import sys
import time
from pathlib import Path

PAGE = "/m/vgg16/block3_conv1/70"
IMAGES = Path(__file__).parent / "images"
WIDTH, HEIGHT = 1280, 800
COLOURS = 128
"""Few enough for small files."""
LOADED = "return [...document.images].slice(0, 2).every(each => each.complete)"


def main(catalog):
    from PIL import Image
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome")
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(flag)
    command = [sys.executable, "-m", "filterkit", "serve", "--catalog", catalog, "--port", "0"]
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            url = server.stdout.readline().strip()
            with webdriver.Chrome(options=options, service=service) as browser:
                size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
                browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
                browser.get(url)
                for theme in ("light", "dark"):
                    media = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
                    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
                    browser.get(url.partition("/?")[0] + PAGE)
                    while not browser.execute_script(LOADED):
                        time.sleep(0.1)
                    time.sleep(1)
                    seen = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")
                    target = IMAGES / f"explorer_{theme}.png"
                    seen.quantize(COLOURS, dither=Image.Dither.NONE).save(target, optimize=True)
                    print(f"{target}: {target.stat().st_size:,} bytes")
        finally:
            server.kill()


if __name__ == "__main__":
    main(*sys.argv[1:])
