"""Pages for a folder: links become relative, and what needs the server goes.

The text of a page is read by an HTML parser, and written as it was but for what has to change:

- a link to a page that is not exported becomes its text, and nothing in the navigation;
- forms, buttons and frames go; below a form stands what a person can do instead;
- scripts that need the server go, and what is in ``noscript`` for them is shown;
- sections that a script would load are there;
- what has the attribute ``data-live`` goes, and links with ``data-area`` go with all that is in them;
- folders of this computer are removed from texts, as in ``title="/home/…/photo.png"``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from html.parser import HTMLParser

POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; "
    "img-src 'self' file:; style-src 'self' file:; script-src 'self' file:"
)
"""Of pages that may be files; nothing is loaded from elsewhere, and no script connects to anything."""

FIELDS = ("button", "input", "select", "textarea", "datalist")
FRAMES = ("iframe", "object", "embed", "base")
VOID = {"input", "embed", "base", "link", "meta", "img", "source"}
SOURCES = {"img": "src", "image": "href", "use": "href", "source": "src", "link": "href", "script": "src"}
"""The attributes that load something."""

NOT_HERE = "Forms are left out here: <code>filterkit serve</code> has them."
BEYOND = "not part of this export"

Attributes = Sequence[tuple[str, str | None]]


@dataclass(frozen=True)
class Links:
    """Where what a page leads to is in the folder.

    Attributes
    ----------
    page
        The link to a page, from its URL; None if it is not exported.
    resource
        The link to a picture, style or script; None if there is none, or it needs the server, and empty if
        nothing is lost without it.
    part
        The HTML of a section that a script would load, from the URL in its ``data-panel``.
    tiles
        The folder of the tiles of an atlas, from the URL in its ``data-tiles``, and its plan as JSON.
    hidden
        A text without folders of this computer.
    """

    page: Callable[[str], str | None]
    resource: Callable[[str], str | None]
    part: Callable[[str], str | None]
    tiles: Callable[[str], tuple[str, str]]
    hidden: Callable[[str], str]


def rewrite(text: str, links: Links) -> str:
    """A page as a file in a folder."""
    made = _Rewriter(links)
    made.feed(text)
    made.close()
    return "".join(made.written)


class _Rewriter(HTMLParser):
    def __init__(self, links: Links) -> None:
        super().__init__(convert_charrefs=False)
        self.written: list[str] = []
        self._to = links
        self._skipped, self._depth = "", 0  # the element that goes, and how often it is nested in itself
        self._open: list[str] = []  # the elements that matter here
        self._links: list[str] = []  # what the open links became
        self._lacks_script = False
        self._late: str | None = None  # the content of the section that begins, instead of its note
        self._ends = False  # whether the current tag of an SVG ends its element

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        if self._skipped:
            self._depth += tag == self._skipped
            return
        attributes = dict(attrs)
        if tag in ("nav", "header", "svg"):
            self._open.append(tag)
        if tag == "noscript" and self._lacks_script:
            return
        if tag in FIELDS or tag in FRAMES or tag == "form" or "data-live" in attributes:
            self._drop(tag)
            if tag == "form" and "header" not in self._open:
                self._instead(attributes.get("data-command"))
        elif tag == "meta" and "http-equiv" in attributes:
            pass
        elif tag in ("a", "area"):
            self._link(tag, attrs, attributes)
        elif tag in SOURCES:
            self._load(tag, attrs, attributes)
        elif tag == "section" and attributes.get("data-panel"):
            self._late = self._to.part(attributes["data-panel"] or "")
            self._write(tag, attrs, {**self._hidden_in(attrs), "data-panel": None})
        elif tag == "p" and self._late is not None:
            text, self._late = self._late, None
            self._drop(tag)
            self.written.append(rewrite(text, self._to))
        elif "data-tiles" in attributes:
            folder, plan = self._to.tiles(attributes["data-tiles"] or "")
            self.written.append(f'<script type="application/json" id="atlas-plan">{plan}</script>\n')
            self._write(tag, attrs, {"data-tiles": folder})
        else:
            self._write(tag, attrs, self._hidden_in(attrs))
        if tag == "head":
            policy = escape(POLICY)
            self.written.append(f'\n<meta http-equiv="Content-Security-Policy" content="{policy}">')

    def handle_startendtag(self, tag: str, attrs: Attributes) -> None:
        if "svg" not in self._open:
            self.handle_starttag(tag, attrs)  # as browsers do
        elif tag == "a":
            pass  # a link without anything in it
        else:
            self._ends = True
            self.handle_starttag(tag, attrs)
            self._ends = False

    def handle_endtag(self, tag: str) -> None:
        if self._skipped:
            self._depth -= tag == self._skipped
            if self._depth == 0:
                self._skipped = ""
            return
        if tag in self._open:
            while self._open.pop() != tag:
                pass
        if tag == "noscript" and self._lacks_script:
            return
        if tag == "a":
            tag = self._links.pop() if self._links else ""
        if tag:
            self.written.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self._text(self._to.hidden(data))

    def handle_entityref(self, name: str) -> None:
        self._text(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self._text(f"&#{name};")

    def handle_decl(self, decl: str) -> None:
        self._text(f"<!{decl}>")

    def _text(self, text: str) -> None:
        if not self._skipped:
            self.written.append(text)

    def _drop(self, tag: str) -> None:
        if tag not in VOID and not self._ends:
            self._skipped, self._depth = tag, 1

    def _instead(self, command: str | None) -> None:
        """What a person can do without a form."""
        if command:
            self.written.append(f'<p class="note">To search or sort, run <code>{escape(command)}</code></p>')
        else:
            self.written.append(f'<p class="note">{NOT_HERE}</p>')

    def _link(self, tag: str, attrs: Attributes, attributes: dict[str, str | None]) -> None:
        href = attributes.get("href")
        target = None if href is None else self._to.page(href)
        if target is not None:
            self._links.append(tag)
            self._write(tag, attrs, {**self._hidden_in(attrs), "href": target})
        elif href is None:
            self._links.append(tag)
            self._write(tag, attrs, self._hidden_in(attrs))
        elif "nav" in self._open or "data-area" in attributes:
            self._drop(tag)
        else:
            instead = "g" if "svg" in self._open else "span"
            self._links.append(instead)
            kept = [each for each in attrs if each[0] in ("class", "title", "aria-label")]
            style = f"{attributes.get('class') or ''} beyond".strip()
            self._write(instead, kept, {"class": style, **({} if instead == "g" else {"title": BEYOND})})

    def _load(self, tag: str, attrs: Attributes, attributes: dict[str, str | None]) -> None:
        name = SOURCES[tag]
        source = attributes.get(name)
        if source is not None and not source.startswith("#"):
            target = self._to.resource(source)
            if target == "":
                self._drop(tag)
                return
            if target is not None:
                self._write(tag, attrs, {**self._hidden_in(attrs), name: target, "srcset": None})
                return
        elif tag != "script":
            self._write(tag, attrs, self._hidden_in(attrs))
            return
        if tag == "script":
            self._lacks_script = True
            self._drop(tag)
        elif tag == "img" and attributes.get("alt"):
            self.written.append(f'<span class="note">{escape(attributes["alt"] or "")}</span>')

    def _hidden_in(self, attrs: Attributes) -> dict[str, str | None]:
        """The attributes that contain a folder of this computer, without it."""
        texts = ((name, value, self._to.hidden(value)) for name, value in attrs if value)
        return {name: text for name, value, text in texts if text != value}

    def _write(self, tag: str, attrs: Attributes, changed: dict[str, str | None]) -> None:
        raw = self.get_starttag_text()
        if not changed and raw is not None and raw[1 : 1 + len(tag)].lower() == tag and attrs:
            self.written.append(raw)
            return
        values = {**dict(attrs), **changed}
        gone = {name for name, value in changed.items() if value is None}
        words = [
            f" {name}" if value is None else f' {name}="{escape(value)}"'
            for name, value in values.items()
            if name not in gone
        ]
        self.written.append(f"<{tag}{''.join(words)}{'/' if self._ends else ''}>")
