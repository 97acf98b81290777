"""The renderer `dots`."""

from dataclasses import dataclass
from html import escape

import numpy as np


@dataclass(frozen=True)
class Dots:
    """Every value as a dot on black, with the value as its radius."""

    cell: int = 16
    media_type = "image/svg+xml"
    suffix = ".svg"

    def __post_init__(self):
        if self.cell < 1:
            raise ValueError("cell must be a positive number of pixels")

    def render(self, sheet):
        tiles = sheet.tiles.mean(axis=-1) if sheet.is_colour else sheet.tiles
        height, width = sheet.tile_shape
        across, down = sheet.columns * (width + 1) * self.cell, sheet.rows * (height + 1) * self.cell
        size = f'width="{across}" height="{down}"'
        title = escape("".join(letter for letter in sheet.title if letter.isprintable()))
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size}>',
            f"<title>{title}</title>",
            f"<rect {size}/>",
        ]
        for number, tile in enumerate(tiles.reshape(-1, height, width)[: sheet.count]):
            row, column = divmod(number, sheet.columns)
            for (y, x), value in np.ndenumerate(tile):
                cx = (column * (width + 1) + x + 1) * self.cell
                cy = (row * (height + 1) + y + 1) * self.cell
                lines.append(f'<circle cx="{cx}" cy="{cy}" r="{value * self.cell / 2:.2f}" fill="white"/>')
        return "\n".join([*lines, "</svg>\n"]).encode()
