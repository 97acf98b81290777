"""The examples in the docstrings of the workbench, run one by one on real networks."""

from __future__ import annotations

import doctest
import inspect
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage import data

import filterkit

MEMBERS = {
    name: member
    for name, member in vars(filterkit.Workbench).items()
    if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property))
}


@pytest.fixture(scope="module")
def place(vgg16_catalog: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of the catalog of VGG16 and the classic kernels, as examples change it."""
    folder = tmp_path_factory.mktemp("examples")
    shutil.copytree(vgg16_catalog.parent, folder, dirs_exist_ok=True)
    return folder


@pytest.fixture
def bench(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[filterkit.Workbench]:
    monkeypatch.chdir(place)
    with filterkit.open("catalog.db", progress=False) as opened:
        yield opened
        if "kernels" in opened.models()["model"]:
            opened.remove("kernels")


@pytest.mark.zoo
@pytest.mark.parametrize("name", MEMBERS)
def test_every_member_has_an_example_that_runs(name: str, bench: filterkit.Workbench) -> None:
    member: Any = MEMBERS[name]
    if name == "remove":
        bench.add("classic", name="kernels")
    known = {"filterkit": filterkit, "bench": bench, "numpy": np, "photo": data.astronaut()}
    source = member.fget if isinstance(member, property) else inspect.unwrap(member)
    text = inspect.getdoc(source) or ""
    example = doctest.DocTestParser().get_doctest(text, known, name, None, 0)
    assert example.examples, f"Workbench.{name} has no example"
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    result = runner.run(example, out=said.append)
    assert result.failed == 0, "".join(said)
