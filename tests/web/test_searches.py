"""The pages that search: conditions, similar kernels and filters, SQL, two models, observations."""

from __future__ import annotations

import io
import re
import shlex
import shutil
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest
from explorer import Answer, Explorer, exploring
from PIL import Image

import filterkit

SOBEL = "[[-1,0,1],[-2,0,2],[-1,0,1]]"


def ask(explorer: Explorer, page: str, **values: object) -> Answer:
    return explorer.get_whole(f"{page}?{urlencode(values, doseq=True)}")


def addresses(answer: Answer) -> list[str]:
    return re.findall(r'<a class="address" href="/m/([^"]+)"', answer.text)


@pytest.mark.zoo
def test_filters_by_a_condition(vgg16: Explorer, vgg16_catalog: Path) -> None:
    asked = {
        "address": "vgg16/block1_*",
        "where": "classic_type = 'edge'",
        "sort": "l2_norm",
        "order": "down",
    }
    answer = ask(vgg16, "/filters", **asked)
    with filterkit.open(vgg16_catalog) as bench:
        expected = bench.filters("vgg16/block1_*", where="classic_type = 'edge'", sort="-l2_norm")
    assert addresses(answer) == list(expected["address"])[:50]
    assert len(ask(vgg16, "/filters", **asked, format="json").json) == len(expected)
    assert "--where &#34;classic_type = &#39;edge&#39;&#34;" in answer.text


@pytest.mark.zoo
def test_filters_of_the_whole_catalog_are_paged(vgg16: Explorer) -> None:
    first, last = vgg16.get("/filters"), vgg16.get("/filters?page=85")
    assert first.text.count("/thumbnail/") == 50
    assert 'rel="next"' in first.text
    assert 'rel="next"' not in last.text
    assert last.text.count("/thumbnail/") == 4237 - 84 * 50
    assert vgg16.get("/filters?page=10000").status == 200


@pytest.mark.zoo
def test_kernels_most_similar_to_numbers(vgg16: Explorer, vgg16_catalog: Path) -> None:
    answer = ask(vgg16, "/similar", query=SOBEL, among="vgg16/block2_*", invariant=["scale", "sign"], limit=7)
    with filterkit.open(vgg16_catalog) as bench:
        expected = bench.similar(SOBEL, "vgg16/block2_*", invariant="scale,sign", limit=7)
    kernels = [each for each in addresses(answer) if each.count("/") == 3]  # each with its filter
    assert kernels == list(expected["address"])
    for row in expected:
        assert f"{row['similarity']:.4g}" in answer.text
    assert re.findall(r'value="(\w+)" checked', answer.text) == ["scale", "sign"]


@pytest.mark.zoo
def test_filters_most_similar_to_one_in_all_models(vgg16: Explorer) -> None:
    page = vgg16.get("/m/vgg16/block1_conv1/35?panel=relatives")
    [link] = [each for each in page.links if each.startswith("/similar?")]
    found = vgg16.get(link)
    assert addresses(found)[:2] == ["vgg16/block1_conv1/35", "vgg16/block1_conv1/60"]


@pytest.mark.zoo
def test_a_search_is_bounded(vgg16: Explorer) -> None:
    assert len(ask(vgg16, "/similar", query=SOBEL, limit=10**8, format="json").json) == 100
    assert len(ask(vgg16, "/similar", query=SOBEL, limit=0, format="json").json) == 1


def test_numbers_that_are_none(classic: Explorer) -> None:
    assert ask(classic, "/similar", query="[" * 5000).status == 400
    assert ask(classic, "/similar", query="[1e999]").status == 400
    assert ask(classic, "/similar", query="[[1,2],[3]]").status == 400


def test_no_search_reads_a_file(classic: Explorer, classic_catalog: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "kernel.npy", np.eye(3))
    inside = classic_catalog.parent / "inside.npy"  # in the folder of the process
    np.save(inside, np.eye(3))
    try:
        for text in (tmp_path / "kernel.npy", "inside.npy", "./inside.npy", inside, f"file://{inside}"):
            for page, name in (("/similar", "query"), ("/filters", "address"), ("/diff", "a")):
                answer = ask(classic, page, **{name: text, "b": "classic"})
                assert answer.status in (400, 404), (page, text)
                assert "is a file" not in answer.text
    finally:
        inside.unlink()


def test_sql(classic: Explorer) -> None:
    sql = "SELECT 'classic/' || name || '/0' AS address, filters FROM layer ORDER BY name"
    answer = ask(classic, "/sql", sql=sql)
    assert addresses(answer)[0].startswith("classic/blur_box")
    assert answer.text.count("/thumbnail/") == 13
    assert ask(classic, "/sql", sql=sql, format="json").json[0]["filters"] == 1


def test_the_command_of_sql_keeps_its_lines(classic: Explorer) -> None:
    """Else a comment would have no end."""
    page = ask(classic, "/sql", sql="SELECT 1 -- one\r\nUNION ALL SELECT '\x1b' -- two\nLIMIT 1").text
    [command, _] = re.findall(r'<pre class="copy">(.*?)</pre>', page, re.S)
    program, verb, statement, *_ = shlex.split(unescape(command))
    assert (program, verb) == ("filterkit", "query")
    assert statement == "SELECT 1 -- one\nUNION ALL SELECT '\\x1b' -- two\nLIMIT 1"


def test_sql_only_reads_within_limits(classic: Explorer) -> None:
    for sql in (
        "DELETE FROM model",
        "ATTACH '/tmp/x' AS x",
        "SELECT load_extension('x')",
        "PRAGMA x = 1",
        "x",
    ):
        answer = ask(classic, "/sql", sql=sql)
        assert answer.status == 400, sql
        assert 'role="alert"' in answer.text
        assert "<textarea" in answer.text
        assert set(ask(classic, "/sql", sql=sql, format="json").json) == {"error", "hint"}
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    assert len(ask(classic, "/sql", sql=many, format="json").json) == 1000
    assert "1,000 rows, the limit" in ask(classic, "/sql", sql=many).text
    endless = many.replace("SELECT i FROM n", "SELECT count(*) FROM n")
    answer = classic.get(f"/sql?{urlencode({'sql': endless})}")
    assert answer.status == 200, "the page was sent before the result"
    assert "5 s" in answer.text


def test_the_tables_and_the_examples_of_sql(classic: Explorer, classic_catalog: Path) -> None:
    page = classic.get("/sql")
    for table in ("model", "layer", "filter", "observation", "exemplar"):
        assert f"<summary><code>{table}</code></summary>" in page.text
    examples = [each for each in page.links if each.startswith("/sql?sql=")]
    assert len(examples) == 3
    for link in examples:
        assert classic.get(link).status == 200


@pytest.fixture(scope="module")
def observed(vgg16_catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Explorer]:
    """VGG16, whose first layers were observed over pictures of two classes."""
    folder = tmp_path_factory.mktemp("observed")
    shutil.copytree(vgg16_catalog.parent, folder, dirs_exist_ok=True)
    random = np.random.default_rng(0)
    for label in ("bright", "dark"):
        for number in range(5):
            (folder / "photos" / label).mkdir(parents=True, exist_ok=True)
            blocks = random.integers(0, 256 if label == "bright" else 60, (6, 6, 3), dtype=np.uint8)
            picture = Image.fromarray(blocks).resize((64, 64), Image.Resampling.NEAREST)
            picture.save(folder / "photos" / label / f"{number}.png")
    with filterkit.open(folder / "catalog.db") as bench:
        bench.observe("vgg16/block1_*", [folder / "photos"], name="two.kinds", top=10, size=64)
    with exploring(folder / "catalog.db") as explorer:
        yield explorer


@pytest.mark.zoo
def test_an_observation(observed: Explorer) -> None:
    [link] = [each for each in observed.get("/m/vgg16").links if "/observations/" in each]
    page = observed.get(link)
    assert page.status == 200
    assert "bright" in page.text
    rows = observed.get(f"{link}?format=json").json
    assert len(rows) == 128
    strongest = max(rows, key=lambda row: row["response_max"])
    listed = page.text[page.text.index('id="strongest"') : page.text.index('id="silent"')]
    assert re.findall(r'class="address" href="/m/([^"]+)"', listed)[0] == strongest["address"]
    assert "vgg16/block3_conv1" not in page.text  # which was not observed
    assert observed.get("/m/vgg16/observations/nothing").status == 404


@pytest.mark.zoo
def test_what_a_filter_responds_to(observed: Explorer) -> None:
    page = observed.get("/m/vgg16/block1_conv2/5")
    assert "response_max" in page.text
    assert "bright" in page.text
    [url] = [each for each in page.links if "/exemplars/" in each]
    picture = observed.get(url)
    assert picture.headers["Cache-Control"] == "private, no-cache"
    assert [int(rank) for rank in re.findall(r'<tr><td class="number">(\d+)<', page.text)] == [*range(1, 10)]
    width, height = Image.open(io.BytesIO(picture.body)).size
    assert width == 9 * (height - 2) + 2  # nine squares in a row, with gaps of two pixels
    other = observed.get("/m/vgg16/block3_conv1/5")
    assert other.status == 200
    assert "/exemplars/" not in other.text


def test_python_has_only_what_is_given(vgg16: Explorer) -> None:
    page = unescape(vgg16.get("/filters?address=vgg16&where=dead+%3D+0").text)
    assert "bench.filters('vgg16', where='dead = 0')" in page
    assert "bench.filters('vgg16/block1_conv1')" in unescape(vgg16.get("/m/vgg16/block1_conv1").text)
