"""New plugin packages are complete: they are listed, keep their promises, show something, and are clean."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

import filterkit
from filterkit.errors import UsageError
from filterkit.scaffold.package import KINDS, LICENSES, LONGEST, TEMPLATES, check_name, new_package
from filterkit.testing import code_blocks, private_names, run_block

ADDS = {kind: f"{kind} glow-{kind}" for kind in KINDS if kind != "command"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One package of every kind, in the folder ``packages``, and their metadata in ``site``.

    As an installer leaves them; that pip itself installs them is for the CI script, as it takes a minute.
    """
    folder = tmp_path_factory.mktemp("new")
    for kind in KINDS:
        made = new_package(f"glow-{kind}", kind, folder / "packages")
        project = tomllib.loads((made.folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        module = project["name"].replace("-", "_")
        info = folder / "site" / f"{module}-{project['version']}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
        entries = project["entry-points"]["filterkit"].items()
        lines = ["[filterkit]", *(f"{name} = {target}" for name, target in entries)]
        (info / "entry_points.txt").write_text("\n".join(lines))
        shutil.copytree(made.folder / "src" / module, folder / "site" / module)
    return folder


@pytest.fixture(scope="module")
def environment(installed: Path) -> Mapping[str, str]:
    paths = [installed / "site", Path(filterkit.__file__).parents[1]]
    own = {name: value for name, value in os.environ.items() if not name.startswith("FILTERKIT_")}
    return {**own, "PYTHONPATH": os.pathsep.join(map(str, paths)), "COLUMNS": "80"}


def run(words: list[str], environment: Mapping[str, str], folder: Path) -> str:
    done = subprocess.run(
        words, env=environment, cwd=folder, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tool(name: str) -> str:
    return shutil.which(name) or pytest.skip("needs the extra dev")


@pytest.mark.slow
def test_their_tests_pass(installed: Path, environment: Mapping[str, str]) -> None:
    packages = installed / "packages"
    options = ["-q", "-p", "no:cacheprovider", "--import-mode=importlib", "--rootdir", str(packages)]
    words = [sys.executable, "-m", "pytest", *options, str(packages)]
    said = run(words, environment, packages)
    assert int(re.findall(r"(\d+) passed", said)[0]) > 3 * len(KINDS)
    assert "failed" not in said


def test_they_are_listed(installed: Path, environment: Mapping[str, str]) -> None:
    listed = run([sys.executable, "-m", "filterkit", "plugins", "--format", "ndjson"], environment, installed)
    for kind in KINDS:
        [row] = [line for line in listed.splitlines() if f'"filterkit-glow-{kind}"' in line]
        assert '"state": "loaded"' in row
        assert ADDS.get(kind, "filterkit_commands") in row


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "sees"),
    [
        ("source", "glow-source.png"),
        ("extractor", "hidden"),
        ("normalizer", "glow-normalizer.png"),
        ("renderer", "glow-renderer.svg"),
        ("metric", "classic/blur_box_3/0         0.1111"),
        ("format", 'plugin   "filterkit-glow-format"'),
        ("image-source", 'classic/edge_sobel_x,glow-image-source!3,"[1,64,64]"'),
        ("gradient-rule", "Gradients of Shrink"),
        ("attribution", "glow-attribution.png"),
        ("response-metric", "classic/blur_box_3/0 "),
        ("panel", "The kernels that a filter puts most of its weight on"),
        ("command", " ██████████████\n"),
    ],
)
def test_they_show_something(
    kind: str,
    sees: str,
    installed: Path,
    environment: Mapping[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the commands of their README."""
    monkeypatch.setenv("PYTHONPATH", environment["PYTHONPATH"])
    readme = (installed / "packages" / f"filterkit-glow-{kind}" / "README.md").read_text(encoding="utf-8")
    said = run_block(code_blocks(readme)[0], tmp_path)
    assert said.startswith(f"pip install filterkit-glow-{kind}\n")
    if sees.startswith("glow"):
        assert (tmp_path / sees).stat().st_size > 500
    else:
        assert sees in said


@pytest.mark.parametrize("name", ["g", "x" * LONGEST, "-".join("abcdefghijklmno")])
def test_the_code_is_clean_whatever_the_name(name: str, tmp_path: Path) -> None:
    ruff = tool("ruff")
    for kind in KINDS:
        made = new_package(name, kind, tmp_path / kind)
        run([ruff, "check", "--no-cache", "."], os.environ, made.folder)
        run([ruff, "format", "--no-cache", "--check", "."], os.environ, made.folder)


def test_the_code_is_typed(installed: Path, environment: Mapping[str, str]) -> None:
    mypy = tool("mypy")
    sources = [str(path) for path in installed.glob("packages/*/src")]
    assert len(sources) == len(KINDS)
    own = {**environment, "MYPYPATH": environment["PYTHONPATH"]}
    run([mypy, "--strict", "--cache-dir", str(installed / "mypy"), *sources], own, installed)


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_public_api_is_used(kind: str, tmp_path: Path) -> None:
    made = new_package("glow", kind, tmp_path)
    assert private_names(made.folder) == []
    assert not [path for path in made.folder.glob("src/*/*.py") if "filterkit.testing" in path.read_text()]


@pytest.mark.parametrize("license", LICENSES)
def test_licenses(license: str, tmp_path: Path) -> None:
    made = new_package("glow", "format", tmp_path, license)
    project = tomllib.loads((made.folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license"] == license
    text = (made.folder / "LICENSE").read_text(encoding="utf-8")
    assert license.split("-")[0] in text
    assert "$" not in text
    assert f"License: {license}." in (made.folder / "README.md").read_text(encoding="utf-8")


def test_every_file_is_told(tmp_path: Path) -> None:
    made = new_package("filterkit-glow", "normalizer", tmp_path / "not" / "yet")
    assert made.folder == tmp_path / "not" / "yet" / "filterkit-glow"
    assert list(map(str, made.files)) == [
        ".github/workflows/test.yml",
        ".gitignore",
        "LICENSE",
        "README.md",
        "pyproject.toml",
        "src/filterkit_glow/__init__.py",
        "src/filterkit_glow/normalizer.py",
        "src/filterkit_glow/py.typed",
        "tests/test_filterkit_glow.py",
        "tests/test_readme.py",
    ]
    assert list((tmp_path / "not" / "yet").iterdir()) == [made.folder]


def test_what_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "filterkit-glow").mkdir()
    with pytest.raises(UsageError, match="filterkit-glow already exists"):
        new_package("glow", "metric", tmp_path)
    assert list((tmp_path / "filterkit-glow").iterdir()) == []


def test_nothing_is_left_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    templates = shutil.copytree(TEMPLATES, tmp_path / "templates")
    (templates / "metric" / "test.py.tmpl").unlink()
    monkeypatch.setattr("filterkit.scaffold.package.TEMPLATES", templates)
    folder = tmp_path / "plugins"
    with pytest.raises(FileNotFoundError):
        new_package("glow", "metric", folder)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "kind", "license", "words"),
    [
        ("Glow", "metric", "MIT", "a plugin cannot be named 'Glow'"),
        ("glow_more", "metric", "MIT", "a plugin cannot be named 'glow_more'"),
        ("1st", "metric", "MIT", "a plugin cannot be named '1st'"),
        ("filterkit-", "metric", "MIT", "a plugin cannot be named 'filterkit-'"),
        ("../glow", "metric", "MIT", "a plugin cannot be named '../glow'"),
        ("x" * (LONGEST + 1), "metric", "MIT", "a plugin cannot be named"),
        ("glow", "metrics", "MIT", "there is no kind 'metrics'"),
        ("glow", "metric", "GPL-3.0", "there is no license 'GPL-3.0'"),
    ],
)
def test_wrong_use(name: str, kind: str, license: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        new_package(name, kind, tmp_path, license)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("Glow", "glow"),
        ("My Plugin", "my-plugin"),
        ("glow_more", "glow-more"),
        ("filterkit_glow", "glow"),
        ("1st", "st"),
        ("../glow/", "glow"),
        ("Höhe", "hohe"),
        ("a" * LONGEST + "b", "a" * LONGEST),
        ("a" * (LONGEST - 1) + " b", "a" * (LONGEST - 1)),
    ],
)
def test_a_name_that_cannot_be_gets_the_nearest_that_can(name: str, near: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_name(name)
    assert str(caught.value.hint).startswith(f"try '{near}': lower-case letters")
    assert check_name(near) == near


@pytest.mark.parametrize("name", ["", "層", "filterkit-", "123", "--"])
def test_where_nothing_is_near_there_is_the_rule(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_name(name)
    assert str(caught.value.hint).startswith("lower-case letters")
