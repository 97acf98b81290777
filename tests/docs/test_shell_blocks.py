"""The commands on the pages about plugins are run as they stand there, by a shell, and do what is said there.

Only what pip does, by itself or in ``filterkit plugins install`` and its siblings, is left to other tests: of
these lines it is looked at whether there is such a command. ``vgg16`` is a tiny model of that name.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import filterkit
from filterkit.testing import tiny_model

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = DOCS / "examples"

FILTERKIT = f"""#!/bin/sh
case "$1 $2" in
  "plugins install" | "plugins upgrade" | "plugins uninstall") set -- "$1" "$2" --help ;;
esac
exec "{sys.executable}" -m filterkit "$@"
"""
PIP = f"""#!/bin/sh
exec "{sys.executable}" -m pip "$1" --help
"""
PYTEST = f"""#!/bin/sh
exec "{sys.executable}" -m pytest -q -p no:cacheprovider "$@"
"""


def shell_blocks(page: str) -> list[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.S | re.M)
    return [block for name, block in found if not name and re.match(r"(filterkit|pip|pytest)\s", block)]


class Shell:
    """An empty folder with a catalog elsewhere, and a package of the examples as an installer leaves it."""

    def __init__(self, tmp_path: Path, package: str) -> None:
        self.folder, tools, site = (tmp_path / name for name in ("work", "tools", "site"))
        self.package = site / package
        shutil.copytree(EXAMPLES / package, self.package)
        for name, text in {"filterkit": FILTERKIT, "pip": PIP, "pytest": PYTEST}.items():
            tools.mkdir(exist_ok=True)
            (tools / name).write_text(text)
            (tools / name).chmod(0o755)
        module = package.replace("-", "_")
        info = site / f"{module}-0.1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: {package}\nVersion: 0.1.0\n")
        entry = package.removeprefix("filterkit-")
        (info / "entry_points.txt").write_text(f"[filterkit]\n{entry} = {module}\n")
        self.folder.mkdir()
        own = {name: value for name, value in os.environ.items() if not name.startswith("FILTERKIT_")}
        paths = [site, self.package, Path(filterkit.__file__).parents[1]]
        self.environment = {
            **own,
            "PATH": f"{tools}{os.pathsep}{own['PATH']}",
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "FILTERKIT_CATALOG": str(tmp_path / "catalog.db"),
            "COLUMNS": "80",
        }

    def run(self, block: str) -> str:
        done = subprocess.run(
            ["sh", "-euc", block],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        for name in re.findall(r" -o (\S+)", block):
            assert (self.folder / name).stat().st_size > 100
        return done.stdout + done.stderr


def test_all_blocks_of_commands_are_run_here() -> None:
    pages = [DOCS / "plugins.md", *(DOCS / "plugins").glob("*.md")]
    found = {page.name: count for page in pages if (count := len(shell_blocks(str(page.relative_to(DOCS)))))}
    assert found == {"plugins.md": 2, "tutorial.md": 5, "trust.md": 1}


def test_the_first_plugin(tmp_path: Path) -> None:
    shell = Shell(tmp_path, "filterkit-binary")
    shell.run("filterkit add classic")
    first, _ = shell_blocks("plugins.md")
    said = shell.run(first)
    assert re.search(r"filterkit-binary +0\.1\.0 +loaded", said)
    assert "threshold" in said


def test_using_plugins(tmp_path: Path) -> None:
    shell = Shell(tmp_path, "filterkit-sketch")
    _, using = shell_blocks("plugins.md")
    said = shell.run(using)
    assert "sketch" in said
    assert "filterkit-sketch==0.1.0" in (shell.folder / "plugins.txt").read_text()


def test_when_one_fails(tmp_path: Path) -> None:
    shell = Shell(tmp_path, "filterkit-sketch")
    model = tiny_model("plain", tmp_path).path.rename(tmp_path / "vgg16.onnx")
    shell.run(f"filterkit add '{model}'")
    [block] = shell_blocks("plugins/trust.md")
    said = shell.run(block)
    assert re.search(r"conv2 +3×3", said)
    assert re.search(r"plugin filterkit\.formats \S+: format 'table': write\(\) \d", said)


def test_the_tutorial(tmp_path: Path) -> None:
    shell = Shell(tmp_path, "filterkit-sketch")
    install, normalizer, renderer, source, tests = shell_blocks("plugins/tutorial.md")
    modules = shell.package / "filterkit_sketch"
    written = {path: path.read_text() for path in modules.glob("*.py") if path.stem != "__init__"}
    for path in written:
        path.unlink()
    said = shell.run(install)
    for path, text in written.items():
        assert f"filterkit_sketch.{path.stem}" in said
        path.write_text(text)
    shell.run(normalizer)
    shell.run(renderer)
    shell.run(source)
    assert (shell.folder / "rings.svg").read_text().startswith("<svg")
    shell.folder = shell.package
    assert "7 passed" in shell.run(tests)
