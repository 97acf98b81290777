"""Pages for a folder: what changes in their HTML, and what does not."""

from __future__ import annotations

import pytest

from filterkit.web.site_html import BEYOND, NOT_HERE, POLICY, Links, rewrite


def written(text: str) -> str:
    links = Links(
        page=lambda href: f"{href[1:]}.html" if href.startswith("/here") else None,
        resource=lambda source: {"/static/ok": source[1:], "/static/do": ""}.get(source[:10]),
        part=lambda url: f'<p><a href="/here">{url}</a></p>',
        tiles=lambda url: (url[1:], '{"x":"\\u003c"}'),
        hidden=lambda text: text.replace("/home/me/", ""),
    )
    return rewrite(text, links)


@pytest.mark.parametrize(
    ("page", "file"),
    [
        ('<a class="x" href="/here/a&amp;b">t</a>', '<a class="x" href="here/a&amp;b.html">t</a>'),
        ('<a class="x" href="/there">t</a>', f'<span class="x beyond" title="{BEYOND}">t</span>'),
        ('<nav><a href="/there">t</a><a href="/here">u</a></nav>', '<nav><a href="here.html">u</a></nav>'),
        ('<svg viewBox="0 0 1 1"><a href="/there"><rect x="1"/></a></svg>',
         '<svg viewBox="0 0 1 1"><g class="beyond"><rect x="1"/></g></svg>'),
        ('<svg><a data-area href="/there"><rect x="1"/></a><rect/></svg>', "<svg><rect/></svg>"),
        ('<svg><image href="/static/ok.png" width="1"/></svg>',
         '<svg><image href="static/ok.png" width="1"/></svg>'),
        ('<img src="/static/ok.png" alt="a">', '<img src="static/ok.png" alt="a">'),
        ('<img src="/gone.png" alt="a &lt; b">', '<span class="note">a &lt; b</span>'),
        ('<img src="/gone.png" alt="">', ""),
        ("<form><p>x</p><form></form></form>y", f'<p class="note">{NOT_HERE}</p>y'),
        ('<form data-command="filterkit filters &lt;a&gt;"><input></form>',
         '<p class="note">To search or sort, run <code>filterkit filters &lt;a&gt;</code></p>'),
        ("<header><form><input></form></header>", "<header></header>"),
        ("<p>a<button>b</button>c<input>d</p>", "<p>acd</p>"),
        ("<iframe src='/here'>x</iframe>", ""),
        ('<base href="/"><meta http-equiv="refresh"><meta charset="utf-8">', '<meta charset="utf-8">'),
        ('<script src="/live.js"></script><noscript><b>n</b></noscript>', "<b>n</b>"),
        ('<script src="/static/ok.js" defer></script>', '<script src="static/ok.js" defer></script>'),
        ("<noscript>n</noscript>", "<noscript>n</noscript>"),
        ('<script src="/static/done.js"></script><noscript>n</noscript>', "<noscript>n</noscript>"),
        ('<p>a<span data-live>b<span>c</span></span></p>', "<p>a</p>"),
        ('<div data-tiles="/tiles/1"></div>',
         '<script type="application/json" id="atlas-plan">{"x":"\\u003c"}</script>\n'
         '<div data-tiles="tiles/1"></div>'),
        ('<td title="/home/me/a.png">/home/me/a.png</td>', '<td title="a.png">a.png</td>'),
        ('<section id="s" data-panel="/p"><h2>t</h2><p class="note">Show</p><p>u</p></section>',
         '<section id="s"><h2>t</h2><p><a href="here.html">/p</a></p><p>u</p></section>'),
        ("<!doctype html>\n<p a='1'>&lt;&amp;é<br></p>", "<!doctype html>\n<p a='1'>&lt;&amp;é<br></p>"),
        ("<head></head>", f'<head>\n<meta http-equiv="Content-Security-Policy" content="{POLICY}"></head>'),
    ],
)  # fmt: skip
def test_what_becomes_of_a_page(page: str, file: str) -> None:
    assert written(page).replace("&#x27;", "'") == file


def test_the_policy_lets_nothing_in_from_elsewhere() -> None:
    assert "default-src 'none'" in POLICY
    assert not {"http", "*", "'unsafe"} & set(POLICY.split())
