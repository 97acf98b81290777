"""The application: responses to pages, data and errors."""

from __future__ import annotations

import csv
import io

from explorer import Explorer


def test_pages_are_complete(classic: Explorer) -> None:
    page = classic.get("/")
    assert page.status == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Cache-Control"] == "no-cache"
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


def test_head_has_no_body(classic: Explorer) -> None:
    answer = classic.send("HEAD", "/")
    assert (answer.status, answer.body) == (200, b"")
