"""Folders of strangers that filterkit is used in: nothing in them is run, and no settings are read."""

from __future__ import annotations

import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import filterkit
from filterkit.child_processes import can_import, environment, python
from filterkit.plugins.discovery import installed

HOME = str(Path(filterkit.__file__).parents[1])
FILTERKIT = ("-c", "from filterkit.cli import main; main()")
"""With -P, what the command ``filterkit`` does."""


def loaded_by_python_itself(folder: Path) -> set[str]:
    """The modules that ``python -m`` imports before those of any program: filterkit has no part in those."""
    folder.mkdir()
    (folder / "empty_program.py").write_text("import sys\nprint(*sys.modules)")
    done = subprocess.run([sys.executable, "-m", "empty_program"], cwd=folder, capture_output=True, text=True)
    return set(done.stdout.split())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a plugin, and a module for each of Python's and of those that are installed."""
    folder = tmp_path / "stranger"
    folder.mkdir()
    names = {*sys.stdlib_module_names, *(found.name for found in pkgutil.iter_modules()), "keras", "torch"}
    names -= {*loaded_by_python_itself(tmp_path / "empty"), "filterkit"}
    assert {"pip", "numpy", "onnx", "typing"} <= names
    for name in names | {"evil", "sitecustomize", "usercustomize"}:
        (folder / f"{name}.py").write_text(f"open('RUN', 'a').write('{name} ')")
    for name in ("evil-1.dist-info", "worse.egg-info"):
        (folder / name).mkdir()
        (folder / name / "entry_points.txt").write_text("[filterkit]\nplugin = evil\n")
        (folder / name / "PKG-INFO").write_text("Name: worse\nVersion: 1\n")
        (folder / name / "METADATA").write_text("Name: evil\nVersion: 1\n")
    return folder


def ran(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Python with `arguments` in that folder; filterkit is found, wherever it is."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("FILTERKIT_")}
    own |= {"PYTHONPATH": os.pathsep.join([HOME, own.get("PYTHONPATH", HOME)]), "PIP_NO_INDEX": "1"}
    own |= {"FILTERKIT_CATALOG": str(folder.parent / "catalog.db"), **variables}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=own, capture_output=True, text=True, timeout=300
    )
    assert not (folder / "RUN").exists(), ((folder / "RUN").read_text(), done)
    return done


@pytest.mark.parametrize("start", [("-m", "filterkit"), ("-P", *FILTERKIT)], ids=["-m", "command"])
def test_no_code_of_the_folder_is_run(folder: Path, start: tuple[str, ...]) -> None:
    assert ran(folder, *start, "--version").stdout.startswith("filterkit ")
    assert ran(folder, *start, "--help").returncode == 0
    done = ran(folder, *start, "plugins", "list", "--format", "csv")
    assert done.returncode == 0 and "filterkit.renderers" in done.stdout
    assert "evil" not in done.stdout and "worse" not in done.stdout
    assert ran(folder, *start, "plugins", "requirements").returncode == 0
    assert ran(folder, *start, "add", "classic").returncode == 0
    picture = str(folder.parent / "filters.png")
    assert (
        ran(folder, *start, "show", "classic/edge_sobel_x", "-o", picture, "--colormap", "RdBu").returncode
        == 0
    )
    done = ran(folder, *start, "add", "wheel:some-package==1.0!a/model.onnx")
    assert done.returncode == 1 and "cannot download some-package==1.0" in done.stderr
    done = ran(folder, *start, "plugins", "install", "some-package")
    assert done.returncode == 1 and "pip install failed" in done.stderr
    ran(folder, *start, "add", "keras:VGG16?weights=none&input_size=32")  # works where Keras is installed


def test_where_filterkit_is_the_folder_itself_it_works() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "filterkit", "plugins", "show", "grid", "--format", "csv"],
        cwd=HOME,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "filterkit.renderers" in done.stdout, done


@pytest.mark.parametrize("flags", [(), ("-P",), ("-I",)], ids=["", "-P", "-I"])
def test_only_the_current_folder_is_taken_away(tmp_path: Path, flags: tuple[str, ...]) -> None:
    """As -P and -I leave it out already, there is nothing to take away then."""
    code = (
        "import runpy, sys; "
        f"sys.path.append({HOME!r}); before = sys.path.copy(); sys.argv = ['filterkit', '--version']\n"
        "try: runpy.run_module('filterkit', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print([each for each in before if each not in sys.path])"
    )
    done = subprocess.run(
        [sys.executable, *flags, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == ("[]" if flags else "['']")


def test_discovery_leaves_out_the_current_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a notebook, where it is on ``sys.path``; elsewhere, and put there to stay, it counts."""
    monkeypatch.chdir(folder)
    for entry in ("", ".", str(folder)):
        monkeypatch.setattr(sys, "path", [entry, *sys.path])
        assert "evil" not in {each.name for each in installed()}
    monkeypatch.setenv("PYTHONPATH", str(folder))
    assert {"evil", "worse"} <= {each.name for each in installed()}
    monkeypatch.delenv("PYTHONPATH")
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.setattr("site.getsitepackages", lambda: [str(site)])
    (site / "easy-install.pth").write_text(f"import os\n{tmp_path}\n")
    assert "evil" not in {each.name for each in installed()}
    (site / "easy-install.pth").write_text(f"import os\n{folder}\n")
    assert "evil" in {each.name for each in installed()}
    (site / "easy-install.pth").unlink()
    monkeypatch.chdir(tmp_path)
    assert "evil" in {each.name for each in installed()}


def test_an_interpreter_in_the_folder_has_no_plugin_of_it(folder: Path) -> None:
    """Of Python alone, since that itself would import the folder's modules here."""
    for path in folder.glob("*.py"):
        path.unlink()
    (folder / "evil.py").write_text("open('RUN', 'a').write('evil')")
    code = "import filterkit; print(*(row['plugin'] for row in filterkit.open('none.db').plugin_rows()))"
    done = ran(folder, "-c", code)
    assert "filterkit.renderers" in done.stdout and "evil" not in done.stdout, done


def test_children_and_theirs_import_nothing_from_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    assert can_import("numpy") and not can_import("evil")
    grandchild = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-m', 'evil']))"
    for path in ("", os.pathsep, f".{os.pathsep}{HOME}"):
        monkeypatch.setenv("PYTHONPATH", path)
        done = subprocess.run(
            python("-c", grandchild), env=environment(MORE="1"), capture_output=True, text=True
        )
        assert done.returncode == 1 and "No module named evil" in done.stderr
        assert environment(MORE="1").get("PYTHONPATH", "") == (HOME if HOME in path else "")
    assert not (folder / "RUN").exists()


@pytest.mark.parametrize("kind", ["pipe", "nonsense", "LaTeX"])
def test_no_settings_of_matplotlib_are_read(tmp_path: Path, kind: str) -> None:
    rc = tmp_path / "matplotlibrc"
    if kind == "pipe":
        if not hasattr(os, "mkfifo"):
            pytest.skip("needs pipes")
        os.mkfifo(rc)
    else:
        rc.write_bytes(
            b"\xff\xfe nonsense" if kind == "nonsense" else b"text.usetex: True\nimage.cmap: hot\n"
        )
    assert ran(tmp_path, "-P", *FILTERKIT, "add", "classic").returncode == 0
    for words in (["show", "classic/edge_sobel_x"], ["stats", "classic"], ["stats", "classic/edge_sobel_x"]):
        done = ran(tmp_path, "-P", *FILTERKIT, *words, "-o", "out.png")
        assert done.returncode == 0, done
    with Image.open(tmp_path / "out.png") as picture:
        picture.load()


def test_ones_own_settings_of_matplotlib_are_read(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("image.cmap: hot\n")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "matplotlibrc").write_text("image.cmap: cool\n")
    code = "from filterkit.renderers.figures import matplotlib; print(matplotlib().rcParams['image.cmap'])"
    done = ran(tmp_path / "here", "-P", "-c", code, MATPLOTLIBRC=str(tmp_path / "mine"))
    assert done.stdout.strip() == "hot", done
