"""Draw the sample pictures of the explorer: ``python docs/draw_samples.py``."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

FOLDER = Path(__file__).parent.parent / "filterkit" / "web" / "static" / "samples"
SIDE = 256


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, draw in (("scene", scene), ("patterns", patterns)):
        picture = draw().convert("RGB").quantize(96, dither=Image.Dither.NONE)
        picture.save(FOLDER / f"{name}.png", optimize=True)


def scene() -> Image.Image:
    """A house, a tree and a fence under a sky: edges, colours, textures and a face."""
    sky = np.linspace((120, 170, 225), (235, 225, 205), SIDE)[:, None].repeat(SIDE, 1)
    picture = Image.fromarray(sky.astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((190, 18, 232, 60), fill=(250, 205, 80))
    draw.polygon(
        [(0, 170), (70, 95), (120, 150), (185, 80), (256, 165), (256, 256), (0, 256)], fill=(95, 115, 120)
    )
    draw.rectangle((0, 178, SIDE, SIDE), fill=(88, 128, 62))
    random = np.random.default_rng(0)
    for x, y in random.integers((0, 182), (SIDE, SIDE), (500, 2)):
        draw.line((x, y, x + 2, y - 5), fill=(60, 100 + int(random.integers(50)), 45))
    draw.rectangle((30, 120, 120, 200), fill=(178, 80, 62))
    for row, y in enumerate(range(120, 200, 8)):  # bricks
        draw.line((30, y, 120, y), fill=(215, 190, 175))
        for x in range(30 + 8 * (row % 2), 120, 16):
            draw.line((x, y, x, min(y + 8, 200)), fill=(215, 190, 175))
    draw.polygon([(20, 120), (75, 72), (130, 120)], fill=(70, 50, 60))
    for x in (42, 88):
        draw.rectangle((x, 138, x + 20, 160), fill=(235, 235, 190), outline=(40, 40, 40), width=2)
        draw.line((x + 10, 138, x + 10, 160), fill=(40, 40, 40), width=2)
    draw.rectangle((66, 164, 84, 200), fill=(60, 90, 140))
    draw.rectangle((186, 140, 198, 210), fill=(105, 72, 45))
    for x, y in random.integers((-30, -28), (30, 28), (160, 2)):
        if x * x + y * y < 900:
            shade = int(random.integers(70))
            draw.ellipse((188 + x, 112 + y, 200 + x, 124 + y), fill=(30 + shade // 2, 80 + shade, 40))
    for x in range(132, 256, 14):  # a fence
        draw.rectangle((x, 200, x + 6, 236), fill=(240, 238, 230))
    draw.rectangle((128, 210, 256, 215), fill=(240, 238, 230))
    draw.ellipse((70, 205, 110, 245), fill=(240, 200, 165), outline=(90, 60, 50), width=2)  # a face
    for x in (82, 96):
        draw.ellipse((x, 218, x + 5, 223), fill=(30, 30, 40))
    draw.arc((80, 220, 101, 238), 20, 160, fill=(150, 40, 50), width=2)
    return picture.filter(ImageFilter.GaussianBlur(0.6))


def patterns() -> Image.Image:
    """Gratings, rings, checks and colours, which single filters respond to."""
    y, x = np.mgrid[:128, :128] / 128
    turned = [
        np.sin(2 * np.pi * f * (x * np.cos(a) + y * np.sin(a))) for f, a in ((16, 0.0), (10, 0.9), (24, 1.6))
    ]
    rings = np.sin(60 * np.hypot(x - 0.5, y - 0.5))
    checks = np.sign(np.sin(8 * np.pi * x) * np.sin(8 * np.pi * y))
    grays = [np.repeat((127 + 120 * each)[..., None], 3, 2) for each in (turned[0], rings, checks)]
    hues = np.stack(
        [127 + 127 * np.sin(6.3 * (x + third) + 6 * (turned[1] > 0)) * y for third in (0, 1 / 3, 2 / 3)], 2
    )
    rows = [np.hstack(grays[:2]), np.hstack([grays[2], hues])]
    return Image.fromarray(np.vstack(rows).clip(0, 255).astype(np.uint8))


if __name__ == "__main__":
    main()
