"""Wheels downloaded by pip: what may be asked of it, and what is said where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_wheel import REF, fetch

from filterkit.errors import SourceError, UsageError
from filterkit.sources.pip_download import check_requirement


def test_no_such_package_is_one_line_with_pips_own_word(index: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"No matching distribution found for small-net==1\.0") as caught:
        fetch(REF, tmp_path)
    assert "\n" not in str(caught.value)
    assert "filterkit add classic" in (caught.value.hint or "")


def test_an_index_that_does_not_answer_is_told_from_a_package_that_is_not_there(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # where nobody listens
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(SourceError, match=r"index does not respond: .*refused") as caught:
        fetch(REF, tmp_path)
    assert "filterkit add classic" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "requirement",
    [
        "-r requirements.txt",
        "--index-url=x",
        "https://example.org/a.whl",
        "./folder",
        "../a",
        "a.whl",
        "a @ file:///a",
        "a[b]==1",
        "a; python_version>'3'",
        "a==1 --no-deps",
        "",
        "C:\\a",
    ],
)
def test_nothing_but_a_package_reaches_pip(requirement: str) -> None:
    with pytest.raises(UsageError):
        check_requirement(requirement)
