"""Draw ``images/atlas.png``: the atlas of VGG16 in Chromium, as a person sees it.

``python docs/draw_atlas.py CATALOG``, with a catalog that contains ``vgg16``; needs Chromium, its
chromedriver and selenium.
"""

import io
import shutil
import subprocess
import sys
import time
from pathlib import Path

PAGE = "/atlas/vgg16?colour=signs&address=vgg16%2Fblock3_conv1%2F70"
TARGET = Path(__file__).parent / "images" / "atlas.png"
WIDTH, HEIGHT = 1160, 740
COLOURS = 128
"""Few enough for a small file."""
LOADED = "return 'loaded' in document.getElementById('atlas').dataset"


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
                browser.get(url.partition("/?")[0] + PAGE)
                while not browser.execute_script(LOADED):
                    time.sleep(0.1)
                time.sleep(1)
                seen = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")
        finally:
            server.kill()
    seen.quantize(COLOURS, dither=Image.Dither.NONE).save(TARGET, optimize=True)
    print(f"{TARGET}: {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
