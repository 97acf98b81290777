"""Plotly's colour scales, sampled at 256 levels."""

from __future__ import annotations

from difflib import get_close_matches


def colour_table(name: str) -> list[list[int]]:
    """Red, green and blue, 0 to 255, for each of 256 levels from dark to light or from end to end.

    Raises
    ------
    ValueError
        If plotly has no such scale.
    """
    if name == "gray":
        return [[level] * 3 for level in range(256)]
    from plotly.colors import get_colorscale, named_colorscales, sample_colorscale

    if name.lower().removesuffix("_r") not in named_colorscales():
        near = get_close_matches(name.lower(), [*named_colorscales(), "gray"])
        advice = f"did you mean {' or '.join(near)}?" if near else "try gray, viridis, rdbu or balance"
        raise ValueError(f"there is no colormap '{name}'; {advice}")
    levels = [level / 255 for level in range(256)]
    colours = sample_colorscale(get_colorscale(name), levels, colortype="tuple")
    return [[round(255 * part) for part in colour] for colour in colours]
