"""Draw docs/images/floors.svg: the rooms of filterkit, floor by floor, and what each imports.

``python docs/draw_floors.py`` draws it, ``python docs/draw_floors.py --check`` fails where it is out of date.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path
from textwrap import wrap

DOCS = Path(__file__).parent
PACKAGE = DOCS.parent / "filterkit"
PICTURE = DOCS / "images" / "floors.svg"

FLOORS = (
    (
        *("atomic_writes", "budget", "child_processes", "classic_kernels"),
        *("errors", "geometry", "hashing", "short_reprs"),
    ),
    ("address", "progress", "records", "settings"),
    ("graph", "plugins", "sheets"),
    (
        *("sources", "extractors", "normalizers", "renderers", "formats"),
        *("charts", "metrics", "comparison", "runtime", "image_sources"),
    ),
    ("attribution", "visualization", "responses"),
    ("catalog",),
    ("ingest",),
    ("operations", "results", "session"),
    ("workbench",),
    ("web",),
    ("testing", "scaffold"),
    ("cli",),
)
"""The rooms, from the ground up. An import goes to the same floor or to a lower one."""

EVERYWHERE = {room for floor in FLOORS[:2] for room in floor}
"""Small rooms that any other may import; the picture leaves those imports out."""

WIDTH, MARGIN, GAP, LINE = 1040, 16, 10, 15
STYLE = """
svg { font-family: system-ui, sans-serif; font-size: 12px }
.floor { fill: #f3f4f6 } .room { fill: #ffffff; stroke: #9ca3af }
.name { fill: #111827; font-weight: 600; font-size: 13px } .imports { fill: #4b5563 }
@media (prefers-color-scheme: dark) {
  .floor { fill: #1f2937 } .room { fill: #111827; stroke: #6b7280 }
  .name { fill: #f9fafb } .imports { fill: #d1d5db }
}
"""


def main() -> int:
    picture = draw()
    if "--check" not in sys.argv:
        PICTURE.write_text(picture, encoding="utf-8")
    elif not PICTURE.exists() or PICTURE.read_text(encoding="utf-8") != picture:
        print("docs/images/floors.svg is out of date; run python docs/draw_floors.py", file=sys.stderr)
        return 1
    return 0


def draw() -> str:
    """The picture as SVG: one band per floor, the top floor first, one box per room."""
    parts, top = [], MARGIN
    for floor in reversed(FLOORS):
        rows = [floor[start : start + 5] for start in range(0, len(floor), 5)]
        boxes, inner = [], top + GAP
        for row in rows:
            width = (WIDTH - 2 * MARGIN - GAP * (len(row) + 1)) // len(row)
            texts = [wrap(caption(room), max(12, width // 7)) for room in row]
            height = 24 + LINE * max(map(len, texts)) + (6 if any(texts) else 4)
            for place, (room, lines) in enumerate(zip(row, texts, strict=True)):
                left = MARGIN + GAP + place * (width + GAP)
                boxes.append(
                    f'<rect class="room" x="{left}" y="{inner}" width="{width}" height="{height}" rx="5"/>'
                )
                boxes.append(f'<text class="name" x="{left + 10}" y="{inner + 19}">{escape(room)}</text>')
                boxes += [
                    f'<text class="imports" x="{left + 10}" y="{inner + 37 + LINE * number}">{line}</text>'
                    for number, line in enumerate(map(escape, lines))
                ]
            inner += height + GAP
        parts.append(
            f'<rect class="floor" x="{MARGIN}" y="{top}" width="{WIDTH - 2 * MARGIN}" '
            f'height="{inner - top}" rx="8"/>'
        )
        parts += boxes
        top = inner + GAP
    height = top - GAP + MARGIN
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">\n'
        "<title>The rooms of filterkit, floor by floor, and what each imports</title>"
    )
    return "\n".join([head, f"<style>{STYLE}</style>", *parts, "</svg>\n"])


def caption(room: str) -> str:
    rooms = imported_rooms(room)
    return f"imports {', '.join(rooms)}" if rooms else ""


def imported_rooms(room: str) -> list[str]:
    """The rooms that the modules of a room import when they run, from the top floor down."""
    path = PACKAGE / room
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
    found = {name for file in files for name in imports(ast.parse(file.read_text(encoding="utf-8")))}
    rooms = [other for floor in reversed(FLOORS) for other in floor]
    names = {name.split(".")[1] for name in found if name.startswith("filterkit.")}
    return [other for other in rooms if other in names - EVERYWHERE - {room}]


def imports(node: ast.AST) -> Iterator[str]:
    """Modules imported below a node, inside functions too, except for type checkers."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield str(child.module)
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        elif not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield from imports(child)


if __name__ == "__main__":
    sys.exit(main())
