"""Installing packages of plugins with pip in a separate environment."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from command_line import Ran

import filterkit

pytestmark = pytest.mark.slow

GOOD = """
import filterkit

@filterkit.hookimpl
def filterkit_normalizers():
    return [filterkit.Contribution("{name}", "Good", "nowhere:Nothing")]
"""

OURS = ("filterkit-thing", "filterkit-other")

BROKEN = "open('imported', 'w').close(); raise RuntimeError('broken')"


class Environment:
    """A writable Python environment that also sees the packages of this one."""

    def __init__(self, folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        self.folder = folder
        self.python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
        [site] = self.python.parents[1].rglob("site-packages")
        lent = [Path(filterkit.__file__).parents[1], sysconfig.get_path("purelib")]
        (site / "lent.pth").write_text("".join(f"{path}\n" for path in lent))

    def run(self, *words: object, **variables: str) -> Ran:
        """Run ``filterkit WORDS...``; pip uses no index, only the folder ``wheels``."""
        wheels = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.folder / "wheels"), "PIP_NO_DEPS": "1"}
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PIP_USER")}
        done = subprocess.run(
            [self.python, "-m", "filterkit", *map(str, words)],
            env=kept | wheels | variables,
            cwd=self.folder,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def states(self) -> dict[str, tuple[str, str]]:
        rows = self.run("plugins", "list", "--format", "json").rows
        return {row["plugin"]: (row["version"], row["state"]) for row in rows if row["plugin"] in OURS}

    def required(self) -> list[str]:
        ran = self.run("plugins", "requirements")
        assert ran.exit_code == 0, ran
        return [line for line in ran.stdout.splitlines() if any(name in line for name in OURS)]

    def wheel(self, name: str, version: str, code: str) -> Path:
        module = name.replace("-", "_")
        path = self.folder / "wheels" / f"{module}-{version}-py3-none-any.whl"
        path.parent.mkdir(exist_ok=True)
        info = f"{module}-{version}.dist-info"
        files = {
            f"{module}.py": code,
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{info}/entry_points.txt": f"[filterkit]\nplugin = {module}\n",
        }
        record = "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"])
        with zipfile.ZipFile(path, "w") as archive:
            for file, text in {**files, f"{info}/RECORD": record}.items():
                archive.writestr(file, text)
        return path

    def source(self, wheel: Path) -> Path:
        """A source folder from which pip builds this wheel without dependencies."""
        folder = self.folder / "source"
        folder.mkdir()
        (folder / "pyproject.toml").write_text(
            '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        )
        code = f"def build_wheel(folder, *_):\n    return Path(shutil.copy({str(wheel)!r}, folder)).name\n"
        (folder / "backend.py").write_text(f"import shutil\nfrom pathlib import Path\n{code}")
        return folder


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(tmp_path / "environment")


def test_from_broken_to_fixed_to_uninstalled(environment: Environment) -> None:
    ran = environment.run("plugins", "install", environment.wheel("filterkit-thing", "0.9", BROKEN))
    assert (ran.exit_code, ran.stdout) == (0, ""), ran
    assert "installed filterkit-thing 0.9; filterkit plugins show filterkit-thing" in ran.stderr
    environment.wheel("filterkit-thing", "1.0", GOOD.format(name="thing"))
    environment.wheel("filterkit-other", "2.0", GOOD.format(name="other"))
    ran = environment.run("plugins", "install", "filterkit-other", "--quiet")
    assert (ran.exit_code, ran.stdout, ran.stderr) == (0, "", ""), ran
    other, note, thing = environment.required()
    assert other == "filterkit-other==2.0"
    assert note.startswith("# filterkit-thing: filterkit-thing==0.9, not from an index, from this machine")
    assert thing.startswith("filterkit-thing @ file:///")
    assert environment.run("plugins", "upgrade", "Filterkit_Thing").exit_code == 0
    assert not (environment.folder / "imported").exists()  # none of these imported the broken one
    assert environment.states() == {
        "filterkit-thing": ("1.0", "loaded"),
        "filterkit-other": ("2.0", "loaded"),
    }
    assert environment.run("plugins", "uninstall", "filterkit-thing", "filterkit-other").exit_code == 0
    assert environment.states() == {}
    assert environment.required() == []


def test_what_is_installed_again_is_named(environment: Environment) -> None:
    source = environment.source(environment.wheel("filterkit-thing", "0.9", BROKEN))
    said = [environment.run("plugins", "install", source).stderr.splitlines()[-1] for _ in range(2)]
    shows = "filterkit plugins show filterkit-thing lists what it adds"
    assert said == [
        f"installed filterkit-thing 0.9; {shows}",
        f"reinstalled filterkit-thing 0.9; {shows}",
    ]
    ran = environment.run("plugins", "install", "filterkit-thing")
    assert ran.stderr.endswith("\nno new plugin; filterkit plugins lists the installed ones\n"), ran


def test_what_pip_cannot_find_is_said_by_pip_and_in_one_line(environment: Environment) -> None:
    ran = environment.run("plugins", "install", "filterkit-nowhere")
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert "No matching distribution found for filterkit-nowhere" in ran.stderr
    assert ran.stderr.endswith("error: pip install failed\nhint: see the output of pip above\n")
