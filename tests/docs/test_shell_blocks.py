"""The commands on the pages about plugins are run as they stand there, by a shell, and do what is said there.

Only what pip and pytest do is left to other tests. ``vgg16`` is a tiny model of that name.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import filterkit
from filterkit.testing import code_blocks, run_block, tiny_model

pytestmark = pytest.mark.slow

DOCS = Path(__file__).parents[2] / "docs"

Install = Callable[[str], Path]


def shell_blocks(page: str) -> list[str]:
    blocks = code_blocks((DOCS / page).read_text(encoding="utf-8"))
    return [block for block in blocks if re.match(r"(filterkit|pip|pytest)\s", block)]


@pytest.fixture
def install(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Leaves a package of the examples as an installer does, and gives its folder."""
    site = tmp_path_factory.mktemp("site")

    def install_example(package: str) -> Path:
        module, name = package.replace("-", "_"), package.removeprefix("filterkit-")
        info = site / f"{module}-0.1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: {package}\nVersion: 0.1.0\n")
        (info / "entry_points.txt").write_text(f"[filterkit]\n{name} = {module}\n")
        folder = shutil.copytree(DOCS / "examples" / package, site / package)
        paths = [site, folder, Path(filterkit.__file__).parents[1]]
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, paths)))
        return folder

    return install_example


def run(block: str, folder: Path) -> str:
    said = run_block(block, folder)
    for name in re.findall(r" -o (\S+)", block):
        assert (folder / name).stat().st_size > 100
    return said


def test_all_blocks_of_commands_are_run_here() -> None:
    pages = [DOCS / "plugins.md", *(DOCS / "plugins").glob("*.md")]
    found = {page.name: count for page in pages if (count := len(shell_blocks(str(page.relative_to(DOCS)))))}
    assert found == {"plugins.md": 2, "tutorial.md": 5, "trust.md": 1}


def test_the_first_plugin(install: Install, tmp_path: Path) -> None:
    install("filterkit-binary")
    run("filterkit add classic", tmp_path)
    first, _ = shell_blocks("plugins.md")
    said = run(first, tmp_path)
    assert re.search(r"filterkit-binary +0\.1\.0 +loaded", said)
    assert "threshold" in said


def test_using_plugins(install: Install, tmp_path: Path) -> None:
    install("filterkit-sketch")
    _, using = shell_blocks("plugins.md")
    said = run(using, tmp_path)
    assert "sketch" in said
    assert "filterkit-sketch==0.1.0" in (tmp_path / "plugins.txt").read_text()


def test_when_one_fails(install: Install, tmp_path: Path) -> None:
    install("filterkit-sketch")
    tiny_model("plain", tmp_path).path.rename(tmp_path / "vgg16.onnx")
    run("filterkit add vgg16.onnx", tmp_path)
    [block] = shell_blocks("plugins/trust.md")
    said = run(block, tmp_path)
    assert re.search(r"conv2 +3×3", said)
    assert re.search(r"plugin filterkit\.formats \S+: format 'table': write\(\) \d", said)


def test_the_tutorial(install: Install, tmp_path: Path) -> None:
    modules = install("filterkit-sketch") / "filterkit_sketch"
    listing, normalizer, renderer, source, tests = shell_blocks("plugins/tutorial.md")
    written = {path: path.read_text() for path in modules.glob("*.py") if path.stem != "__init__"}
    for path in written:
        path.unlink()
    said = run(listing, tmp_path)
    for path, text in written.items():
        assert f"filterkit_sketch.{path.stem}" in said
        path.write_text(text)
    for block in (normalizer, renderer, source):
        run(block, tmp_path)
    assert (tmp_path / "rings.svg").read_text().startswith("<svg")
    assert run(tests, tmp_path) == tests
