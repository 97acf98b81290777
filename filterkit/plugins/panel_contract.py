"""The contract of panels."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

from filterkit.plugins.checked import Checked
from filterkit.plugins.plain_rows import watched
from filterkit.plugins.protocols import Panel, PanelContent, PanelKind
from filterkit.plugins.report import blame, kind_of

if TYPE_CHECKING:
    from filterkit.plugins.protocols import Row
    from filterkit.records import TileSheet
    from filterkit.workbench import Workbench

TEMPLATE = re.compile(r"[A-Za-z_]\w*(\.\w+)*:\w[\w.-]*(/\w[\w.-]*)*")
LONGEST = 200
"""Maximum length of titles and captions."""


class CheckedPanel(Checked[Panel]):
    @property
    def title(self) -> str:
        return self.inner.title

    @property
    def kinds(self) -> tuple[PanelKind, ...]:
        return self.inner.kinds

    @property
    def heavy(self) -> bool:
        """Whether it is loaded after the page."""
        return getattr(self.inner, "heavy", False) is True

    @property
    def narrow(self) -> bool:
        """Whether it may stand beside another narrow one."""
        return getattr(self.inner, "narrow", False) is True

    def problem(self) -> str:
        """What is wrong with its attributes; empty if nothing is."""
        title, kinds = self.inner.title, self.inner.kinds
        if not isinstance(title, str) or not title.strip() or len(title) > LONGEST:
            return f"has the title {title!r:.40}, which is not a short text"
        if not isinstance(kinds, tuple) or not kinds or not set(kinds) <= set(get_args(PanelKind)):
            return f"has the kinds {kinds!r:.80}, which are not a tuple of {', '.join(get_args(PanelKind))}"
        return ""

    def show(self, bench: Workbench, address: str, options: Mapping[str, str]) -> PanelContent | None:
        """See `Panel.show`; checks what it shows, and returns all kinds of it as `PanelContent`."""
        with self._blame("show"):
            found = self.inner.show(bench, address, dict(options))
        if found is None:
            return None
        content = self._content(found)
        self._check_texts(content)
        sheets = {caption: self._sheet(caption, sheet) for caption, sheet in content.sheets.items()}
        rows, columns = self._table(content)
        return replace(content, rows=rows, columns=columns, sheets=sheets, values=dict(content.values))

    @contextmanager
    def drawing(self, what: str) -> Iterator[None]:
        """Run code that draws what it showed; errors name the plugin."""
        with blame(self.plugin, f"{self.kind} '{self.contribution.name}': {what}"):
            yield

    def _content(self, found: Any) -> PanelContent:
        from filterkit.records import TileSheet

        if isinstance(found, PanelContent):
            return found
        if isinstance(found, TileSheet):
            return PanelContent(sheets={"": found})
        self._require(
            _is_table(found), "show", f"returned {kind_of(found)}, not rows, a sheet or PanelContent"
        )
        return PanelContent(rows=found)

    def _check_texts(self, content: PanelContent) -> None:
        caption, template, values, sheets = content.caption, content.template, content.values, content.sheets
        fits = isinstance(caption, str) and len(caption) <= LONGEST
        self._require(fits, "show", f"returned the caption {caption!r:.40}, which is not a short text")
        self._require(
            template == "" or (isinstance(template, str) and TEMPLATE.fullmatch(template) is not None),
            "show",
            f"returned the template {template!r:.80}, which is not a 'package:file.html'",
        )
        for name, given in (("values", values), ("sheets", sheets)):
            fits = isinstance(given, Mapping) and all(isinstance(key, str) for key in given)
            self._require(fits, "show", f"returned {name} that are not a mapping from texts")
        for name, value in values.items():
            self._require(
                not hasattr(value, "__html__"),
                "show",
                f"returned the value '{name}' as HTML; HTML is written by its template, from plain values",
            )

    def _sheet(self, caption: str, sheet: Any) -> TileSheet:
        import numpy as np

        from filterkit.records import TileSheet

        called = f"the sheet '{caption:.40}'" if caption else "a sheet"
        is_sheet = isinstance(sheet, TileSheet)
        self._require(is_sheet, "show", f"returned {kind_of(sheet)}, not a TileSheet, as {called}")
        self._require(len(caption) <= LONGEST, "show", f"returned {called} with a caption that is too long")
        tiles: Any = sheet.tiles
        fits = (
            isinstance(tiles, np.ndarray) and tiles.dtype.kind == "f" and tiles.ndim in (4, 5) and tiles.size
        )
        self._require(bool(fits), "show", f"returned {called} without tiles of floats with 4 or 5 axes")
        # NaN fails both comparisons, so this also detects non-finite values.
        inside = bool(tiles.min() >= 0 and tiles.max() <= 1)
        self._require(inside, "show", f"returned {called} with tiles that are not finite or outside [0, 1]")
        return sheet  # type: ignore[no-any-return]

    def _table(self, content: PanelContent) -> tuple[list[Row] | None, tuple[str, ...]]:
        """The rows with plain values, and the columns that are shown."""
        given: Any = content.rows
        if given is None:
            return None, ()
        self._require(_is_table(given), "show", f"returned {kind_of(given)} as its rows")
        with self._blame("show"):
            rows = list(watched(given, []))
        every = tuple(dict.fromkeys(name for row in rows for name in row))
        columns = content.columns or tuple(getattr(given, "columns", every))
        fits = isinstance(columns, tuple) and all(isinstance(name, str) for name in (*columns, *every))
        self._require(fits, "show", "returned columns that are not a tuple of texts")
        absent = [name for name in columns if name not in every] if rows else ()
        self._require(not absent, "show", f"returned rows without the column '{next(iter(absent), '')}'")
        return [
            row if len(row) == len(every) else {name: row.get(name) for name in every} for row in rows
        ], columns


def _is_table(value: object) -> bool:
    """Whether it can be a sequence of rows: with a length, so that it ends."""
    sized = hasattr(value, "__len__") and hasattr(value, "__iter__")
    return sized and not isinstance(value, str | bytes | Mapping | PanelContent)
