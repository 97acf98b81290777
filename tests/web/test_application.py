"""The application: responses to pages, data and errors."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from explorer import Explorer, exploring


def test_pages_are_complete(classic: Explorer) -> None:
    page = classic.get("/")
    assert page.status == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Cache-Control"] == "private, no-cache"
    assert page.text.startswith('<!doctype html>\n<html lang="en">')
    assert "style=" not in page.text  # which the policy of the page would not allow
    assert "<script>" not in page.text


def test_rows_as_json_and_csv(classic: Explorer) -> None:
    data = classic.get("/?format=json")
    assert data.headers["Content-Type"] == "application/json"
    [row] = data.json
    assert (row["model"], row["filters"]) == ("classic", 13)
    table = classic.get("/?format=csv")
    assert table.headers["Content-Type"] == "text/csv; charset=utf-8"
    [same] = csv.DictReader(io.StringIO(table.text))
    assert same["sha256"] == row["sha256"]


def test_errors_are_pages(classic: Explorer) -> None:
    missing = classic.get("/nothing")
    assert missing.status == 404
    assert "<h1>Not found</h1>" in missing.text
    wrong = classic.get("/?format=parquet")
    assert wrong.status == 400
    assert "a page cannot be written as &#39;parquet&#39;" in wrong.text


def test_errors_are_data(classic: Explorer) -> None:
    answer = classic.get("/nothing?format=json")
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json == {"error": "there is no such page", "hint": "the page of all models is /"}


def test_numbers_without_end_are_no_address(classic_catalog: Path) -> None:
    with exploring(classic_catalog) as explorer:
        for digits in (10, 20, 5000):
            for path in (f"edge_sobel_x/{'1' * digits}", f"edge_sobel_x/0/{'1' * digits}"):
                assert explorer.get(f"/m/classic/{path}").status == 404
            assert explorer.get(f"/m/classic/edge_sobel_x?page={'1' * digits}").status == 200
        assert explorer.stop() == (130, "interrupted\n")


def test_a_page_after_the_last_one_is_the_last_one(classic: Explorer) -> None:
    for path in ("/", "/filters", "/m/classic/edge_sobel_x"):
        last, beyond = classic.get(path), classic.get(f"{path}?page=999999999")
        items = re.findall("<(?:td|li)>.*", last.text)
        assert items
        assert re.findall("<(?:td|li)>.*", beyond.text) == items


def test_links_to_data_have_the_whole_search(classic: Explorer) -> None:
    search = "query=%5B%5B1%2C0%5D%2C%5B0%2C-1%5D%5D&invariant=scale&invariant=sign&invariant=rotate"
    page = classic.get(f"/similar?{search}&limit=0")
    assert "--invariant scale,sign,rotate --limit 1" in page.text
    [link] = [each for each in page.links if "format=json" in each]
    assert link == f"/similar?{search}&limit=0&format=json"


def test_only_pages_with_data_link_to_it(classic: Explorer) -> None:
    for path in ("/sql", "/sql?sql=x", "/similar", "/diff", "/filters?where=x", "/m/classic/emboss?where=x"):
        assert "format=" not in classic.get(path).text, path
    for path in ("/sql?sql=select+1", "/filters", "/m/classic/emboss"):
        assert "format=csv" in classic.get(path).text, path


def test_a_pattern_that_is_typed_finds_filters(classic: Explorer) -> None:
    answer = classic.get("/go?address=classic/edge_*")
    assert answer.headers["Location"] == "/filters?address=classic%2Fedge_%2A"
    assert "classic/edge_sobel_x/0" in classic.get(answer.headers["Location"]).text


def test_files_of_the_pages_are_asked_for_again(classic: Explorer) -> None:
    assert classic.get("/static/style.css").headers["Cache-Control"] == "no-cache"


def test_head_has_no_body(classic: Explorer) -> None:
    answer = classic.send("HEAD", "/")
    assert (answer.status, answer.body) == (200, b"")
