"""The explorer in headless Chromium, as a person sees it: for scripts that draw its pictures for the docs.

It needs Chromium, its chromedriver and selenium.
"""

import io
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager

COLOURS = 128
"""Few enough for small files."""


@contextmanager
def browsing(catalog, width, height):
    """A browser of this size in pixels that has opened the explorer, and the start of its URLs."""
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
                size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
                browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
                browser.get(url)
                yield browser, url.partition("/?")[0]
        finally:
            server.kill()


def draw(browser, url, loaded, target):
    """Write what a page looks like once the script ``loaded`` returns true."""
    from PIL import Image

    browser.get(url)
    while not browser.execute_script(loaded):
        time.sleep(0.1)
    time.sleep(1)
    seen = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")
    seen.quantize(COLOURS, dither=Image.Dither.NONE).save(target, optimize=True)
    print(f"{target}: {target.stat().st_size:,} bytes")
