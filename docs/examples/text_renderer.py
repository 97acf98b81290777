"""Renderer `text`: tiles as characters. ``filterkit show classic/emboss --renderer text -o emboss.txt``"""

from dataclasses import dataclass

import filterkit


@dataclass(frozen=True)
class Text:
    shades: str = " .:-=+*#%@"
    media_type = "text/plain"  # no annotation: not an option
    suffix = ".txt"

    def render(self, sheet):
        tiles = sheet.tiles.mean(axis=-1) if sheet.is_colour else sheet.tiles
        levels = (tiles * (len(self.shades) - 1)).round().astype(int)
        lines = [sheet.title]
        for number, tile in enumerate(levels.reshape(-1, *sheet.tile_shape)[: sheet.count]):
            lines.append(f"-- {number}")
            lines += ["".join(self.shades[level] for level in row) for row in tile]
        return "".join(f"{line}\n" for line in lines).encode()


@filterkit.hookimpl
def filterkit_renderers():
    return [filterkit.Contribution("text", "Tiles as characters", Text)]
