"""Names of exported files: one for each URL, valid everywhere."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filterkit.web.site_names import LONGEST, canonical, file_name, is_resource, is_safe, parts, relative

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("/", "index.html"),
        ("/index", "~69ndex.html"),
        ("/m/vgg16/block1_conv1/3/12", "m/vgg16/block1_conv1/3/12.html"),
        ("/m/vgg16/block1_conv1?page=2", "m/vgg16/block1_conv1,page,2.html"),
        ("/m/vgg16/block1_conv1?format=csv", "m/vgg16/block1_conv1.csv"),
        ("/m/vgg16/3?panel=fit&sheet=&format=png", "m/vgg16/3,panel,fit,sheet,.png"),
        ("/m/Net/con", "m/=net/~63on.html"),
        ("/m/Net/CON.x", "m/=net/=c=o=n.x.html"),
        ("/m/net/..", "m/net/~2e~2e.html"),
        ("/m/net/%2e%2e%2f%2e%2e", "m/net/~2e.~2f.~2e.html"),
        ("/m/net/a%2Fb%20c%25", "m/net/a~2fb~20c~25.html"),
        ("/m/net/end.", "m/net/end~2e.html"),
        ("/m/net/3.html/0", "m/net/3~2ehtml/0.html"),
        ("/m/net/x.png", "m/net/x~2epng.html"),
        ("/m/net/é", "m/net/~c3~a9.html"),
        ("/pictures/1a/thumbnail/net/x.png", "pictures/1a/thumbnail/net/x.png"),
        (
            "/pictures/1a/exemplars/net/x/0.png?observation=A",
            "pictures/1a/exemplars/net/x/0,observation,=a.png",
        ),
        ("/static/style.css", "static/style.css"),
    ],
)
def test_the_file_of_a_url(url: str, name: str) -> None:
    assert file_name(url) == name
    assert is_safe(name)


@given(NAMES)
def test_any_name_is_valid_on_every_system(name: str) -> None:
    made = file_name(f"/m/net/{quote(name, safe='')}/{quote(name, safe='')}")
    assert is_safe(made)
    assert re.fullmatch(r"[a-z0-9_~=,./-]+", made)
    for part in made.split("/"):
        assert 0 < len(part) <= LONGEST + len(".html")
        assert part.strip(".") == part
        assert not RESERVED.fullmatch(part)


@given(NAMES, NAMES, NAMES, NAMES)
def test_different_urls_have_different_files_also_without_case(a: str, b: str, c: str, d: str) -> None:
    def url(layer: str, value: str) -> str:
        return canonical(f"/m/net/{quote(layer, safe='')}?sort={quote(value, safe='')}")

    assert (file_name(url(a, b)) == file_name(url(c, d))) == ((a, b) == (c, d))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/m/net/Conv", "/m/net/conv"),
        ("/m/net/a%2Fb", "/m/net/a/b"),
        ("/m/net/~41", "/m/net/A"),
        ("/m/net/%3Da", "/m/net/A"),
        ("/m/net/a,page,2", "/m/net/a?page=2"),
        ("/m/net/a?b=c,d", "/m/net/a?b=c&d="),
        ("/m/net/%C3%A9", "/m/net/e%CC%81"),
        (f"/m/net/{'a' * 100}", f"/m/net/{'a' * 101}"),
        ("/m/net/x.json", "/m/net/x?format=json"),
    ],
)
def test_urls_that_are_alike_have_files_of_their_own(one: str, other: str) -> None:
    assert file_name(one) != file_name(other)


def test_one_url_for_what_shows_the_same() -> None:
    assert canonical("/m/net?page=1#layers") == "/m/net"
    assert canonical("/m/net?page=2&format=csv") == "/m/net?format=csv"
    assert canonical("/m/net?sort=a+b&page=2") == "/m/net?sort=a+b&page=2"
    assert parts("/m/a%2Fb/3?page=2") == ["m", "a/b", "3"]


def test_pages_of_addresses_are_no_pictures() -> None:
    assert is_resource("/pictures/a/x.png?observation=o")
    assert is_resource("/m/net?panel=a&format=png")
    assert not is_resource("/m/net/x.png")


@pytest.mark.parametrize(
    "name", ["../x.html", "/x.html", "a//x.html", "a/./x.html", "x.exe", "C:/x.html", "..", ""]
)
def test_names_that_no_export_writes(name: str) -> None:
    assert not is_safe(name)


@pytest.mark.parametrize(
    ("source", "target", "link"),
    [
        ("index.html", "m/net.html", "m/net.html"),
        ("m/net/a/0.html", "static/style.css", "../../../static/style.css"),
        ("m/net/a/0.html", "m/net/a.html", "../a.html"),
        ("m/net/a.html", "m/net/a/0.html", "a/0.html"),
        ("m/net/a.html", "m/net/a.html", "a.html"),
    ],
)
def test_relative_links(source: str, target: str, link: str) -> None:
    assert relative(source, target) == link
