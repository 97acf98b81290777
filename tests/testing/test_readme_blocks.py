"""What a README shows is found, and run as it stands there, without harm to what is outside."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from unittest import SkipTest

import pytest

from filterkit.testing import code_blocks, run_block

PAGE = """
```
filterkit add classic   # and so on

filterkit models
```

Inline: `filterkit`, ```` ``` ````.

```python title="code.py"
print("`")
```
```
```

``` c++
int main() {}
```\x20\x20\t

A table, and what follows.
"""


@pytest.mark.parametrize(
    ("language", "blocks"),
    [
        ("", ["filterkit add classic   # and so on\n\nfilterkit models\n", ""]),
        ("python", ['print("`")\n']),
        ("c++", ["int main() {}\n"]),
        ("c", []),
    ],
)
def test_blocks_are_found_by_their_language(language: str, blocks: list[str]) -> None:
    assert code_blocks(PAGE, language) == blocks


def test_blocks_share_a_catalog_in_their_folder(tmp_path: Path) -> None:
    run_block("filterkit add classic", tmp_path)
    assert "classic" in run_block("mkdir inner && cd inner\nfilterkit models | cat", tmp_path)
    assert {path.name for path in tmp_path.iterdir()} >= {"catalog.db", "inner"}


@pytest.mark.parametrize("name", ["python", "python3"])
def test_python_is_the_running_one(name: str, tmp_path: Path) -> None:
    assert run_block(f'{name} -c "import sys; print(sys.executable)"', tmp_path) == f"{sys.executable}\n"


@pytest.mark.parametrize(
    "line",
    [
        "pip install -e .[test]",
        "pip3 install filterkit-glow",
        "pytest -q tests",
        "python -m pip install filterkit-glow",
        "python3 -m pytest -q",
        "filterkit plugins install filterkit-glow",
        "filterkit plugins upgrade filterkit-glow",
        "filterkit plugins uninstall filterkit-glow",
    ],
)
def test_what_installs_and_tests_is_only_named(line: str, tmp_path: Path) -> None:
    assert run_block(f"{line} && echo done", tmp_path) == f"{line}\ndone\n"
    assert not any(tmp_path.iterdir())


def test_a_block_that_fails_says_what_it_printed(tmp_path: Path) -> None:
    with pytest.raises(AssertionError) as caught:
        run_block("echo first\nfilterkit layers absent\necho last", tmp_path)
    said = str(caught.value)
    assert said.startswith("exit code 1 of\necho first\nfilterkit layers absent\n")
    assert "output:\nfirst\n" in said
    assert "error: there is no catalog" in said
    assert "\nlast\n" not in said


def test_a_variable_that_is_not_set_fails(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="ABSENT"):
        run_block("echo $ABSENT", tmp_path)


def test_variables_of_filterkit_do_not_leak_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILTERKIT_STRICT_PLUGINS", "1")
    monkeypatch.setenv("FILTERKIT_CATALOG", "elsewhere.db")
    monkeypatch.setenv("OTHER", "kept")
    monkeypatch.chdir(tmp_path)
    said = run_block("env", Path()).splitlines()
    filterkits = [line for line in said if line.startswith("FILTERKIT_")]
    assert filterkits == [f"FILTERKIT_CATALOG={tmp_path / 'catalog.db'}"]
    assert {"OTHER=kept", "COLUMNS=80"} <= set(said)


def test_elsewhere_it_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "name", "nt")
        with pytest.raises(SkipTest, match="POSIX shell"):
            run_block("echo", tmp_path)
