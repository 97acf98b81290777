"""Names in models, files and plugins: a terminal obeys none, and none hides or reorders others."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from onnx_graphs import build, node, random
from PIL import Image

import filterkit
from filterkit.errors import one_line, plain

pty = pytest.importorskip("pty")

HOSTILE = "\x1b]0;title\x07\x1b[2J\x7f\x9b2J\u202egpj\u2066\u200f\u2028\u061c\U000e0041\u200b=1+1"
NAME = f"模型 é\u00a0ß {HOSTILE}"
FORBIDDEN = [c for c in HOSTILE if not c.isprintable()]
FORMATS = ("table", "csv", "tsv", "json", "ndjson")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog of a model whose node has that name, and a picture that is called so, but for slashes."""
    folder = tmp_path_factory.mktemp("names")
    model = build(
        [node("Conv", "x w", "y", name=NAME + "\nsecond,\tline")],
        {"x": [1, 3, 8, 8]},
        {"w": random(4, 3, 3, 3)},
    )
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    with filterkit.open(folder / "catalog.db") as bench:
        bench.add(folder / "m.onnx")
    (folder / "in").mkdir()
    for number in (1, 2):
        Image.new("RGB", (8, 8)).save(folder / "in" / f"{number}{HOSTILE}\nname.png")
    (folder / "in" / f"3{HOSTILE}.png").write_text("no picture")
    return folder


def environment(**more: str) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("FILTERKIT_")}
    own |= {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "COLUMNS": "2000", "TERM": "xterm"}
    return own | {"COLORTERM": "truecolor", **more}


def on_terminal(folder: Path, *words: str, **more: str) -> tuple[int, str]:
    """Exit code, and all that ``filterkit WORDS...`` writes to a terminal, stdout and stderr."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(folder)
        command = [sys.executable, "-P", "-c", "from filterkit.cli import main; main()", *words]
        os.execve(sys.executable, command, environment(**more))
    written = b""
    while True:
        try:
            piece = os.read(terminal, 1 << 16)
        except OSError:
            break
        if not piece:
            break
        written += piece
    os.close(terminal)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    return code, written.decode("utf-8", "replace").replace("\r\n", "\n")


def obeyed(text: str) -> list[str]:
    return [c for c in text if not (c.isprintable() or c in "\n\t" or unicodedata.category(c) == "Zs")]


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize(
    "words",
    [
        ("layers", "m"),
        ("query", "select node, 1 as \"\x1b[2J\u202e\nb\", cast(x'e280ae' as text) as c from layer"),
        ("query", "select char(27, 155, 8238, 10, 9, 55296) as a"),
        ("doctor", "--quiet"),  # a progress bar moves the cursor
    ],
    ids=["layers", "query", "characters", "doctor"],
)
def test_no_format_lets_a_terminal_obey(folder: Path, format_name: str, words: tuple[str, ...]) -> None:
    code, text = on_terminal(folder, *words, "--format", format_name)
    assert code in (0, 1) and "Traceback" not in text, text
    assert obeyed(text) == [], text
    if words[0] == "layers" and format_name != "table":
        assert "\\u202e" in text and "模型 é" in text
        lines = text.splitlines()
        assert len(lines) == {"json": 3, "ndjson": 1}.get(format_name, 2), "a name makes no second row"


@pytest.mark.parametrize("format_name", FORMATS)
def test_through_a_pipe_data_is_unchanged(folder: Path, format_name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "filterkit", "layers", "m", "--format", format_name],
        cwd=folder,
        env=environment(),
        capture_output=True,
        check=True,
    )
    text = done.stdout.decode()
    name = f"{NAME}\nsecond,\tline"
    if format_name in ("json", "ndjson"):
        assert obeyed(text) == [] and "模型 é\u00a0ß" in text and "\\u202e" in text and "\\ud" in text
        [row] = json.loads(text) if format_name == "json" else [json.loads(text)]
        assert row["node"] == name
    elif format_name == "table":
        assert obeyed(text) == []
    else:
        [row] = csv.DictReader(io.StringIO(text, newline=""), delimiter="," if format_name == "csv" else "\t")
        assert row["node"] == name


@pytest.mark.parametrize(
    "words",
    [
        ("maps", "m/*", "in", "-o", "out", "--format", "csv"),
        ("maps", "m/*", "in", "-o", "out", "--format", "csv", "--debug"),
        ("maps", "m/*", f"in/3{HOSTILE}.png"),
        ("maps", "m/*", f"in/1{HOSTILE}\nname.png", "-o", f"out{HOSTILE}.png"),
        ("maps", "m/*", f"in/1{HOSTILE}\nname.png", "--debug", "--size", HOSTILE),
        ("layers", f"m{HOSTILE}"),
        ("show", f"m/{HOSTILE}", "--debug"),
        ("add", f"in/3{HOSTILE}.png"),
        ("add", f"keras:{HOSTILE}"),
        ("query", f"select '{HOSTILE}' from {HOSTILE}"),
        ("export", "m/*", "-o", f"out{HOSTILE}.npz"),
        ("plugins", "show", HOSTILE),
        ("filters", "m", "--where", HOSTILE),
        (HOSTILE,),
        ("layers", f"--{HOSTILE}"),
        ("quickstart", f"in/3{HOSTILE}.png"),
    ],
    ids=lambda words: words[0] if words[0].isprintable() else "command",
)
def test_no_message_lets_a_terminal_obey(folder: Path, words: tuple[str, ...]) -> None:
    code, text = on_terminal(folder, *words)
    assert code in (0, 1, 2), text
    shown = text.replace("\x1b[?25l", "").replace("\x1b[?25h", "")  # a progress bar hides the cursor
    assert not [c for c in FORBIDDEN if c != "\x1b" and c in shown], text
    assert "\x1b]" not in shown and "\x1b[2J" not in shown, text


@pytest.mark.parametrize("words", [("maps", "m/*", f"in/1{HOSTILE}\nname.png"), ("show", "m")])
def test_of_drawings_a_terminal_obeys_colours_alone(folder: Path, words: tuple[str, ...]) -> None:
    code, text = on_terminal(folder, *words, "--format", "csv")
    assert code == 0 and "\x1b[38;2;" in text, text
    assert "\x1b]" not in text and "\x1b[2J" not in text
    assert not [c for c in FORBIDDEN if c != "\x1b" and c in text]


def test_pictures_are_kept_from_a_terminal(folder: Path) -> None:
    code, text = on_terminal(folder, "show", "m", "--renderer", "grid")
    assert (code, obeyed(text)) == (2, []) and "-o FILE.png" in text


PLUGIN = '''
import sys
import filterkit

class Raw:
    """Writes what it is given."""
    def write(self, rows, columns, stream):
        for row in rows:
            stream.writelines(f"{value}\\n" for value in row.values())

@filterkit.hookimpl
def filterkit_output_formats():
    return [filterkit.Contribution("raw", "As it is \\x1b[2J\\u202e", Raw)]

@filterkit.hookimpl
def filterkit_commands(app):
    @app.command("loud", help="Is \\x1b[2J\\u202e loud")
    @filterkit.command
    def loud(shell):
        shell.say("said \\x1b[2J\\u202e")
        raise RuntimeError("raised \\x1b[2J\\u202e")

@filterkit.hookimpl
def filterkit_metrics():
    raise RuntimeError("broken \\x1b[2J\\u202e")
'''


@pytest.mark.parametrize(
    "words",
    [
        ("layers", "m", "--format", "raw"),
        ("plugins", "list", "--format", "csv"),
        ("plugins", "show", "raw"),
        ("plugins", "doctor"),
        ("plugins", "requirements"),
        ("--help",),
        ("loud",),
        ("loud", "--debug"),
        ("loud", "--help"),
    ],
)
def test_what_plugins_say_and_write(folder: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "plug.py").write_text(PLUGIN, encoding="utf-8")
    for more in ({}, {"FILTERKIT_TRACE_PLUGINS": "1"}):
        _, text = on_terminal(folder, *words, FILTERKIT_PLUGINS_DIR=str(tmp_path), **more)
        assert "\x1b[2J" not in text and "\u202e" not in text and "\x1b]" not in text, text


def test_completion_offers_no_name_that_nobody_types() -> None:
    from filterkit.cli.support.shared_options import _quietly

    complete: Callable[[str], list[str]] = _quietly(lambda _: ["net", "模型", "net\x1b[2J", "net\u202e"])
    assert complete("") == ["net", "模型"] and complete("net") == ["net"]


def test_every_character_that_could_be_obeyed_is_written_out() -> None:
    for number in range(sys.maxunicode + 1):
        character = chr(number)
        category = unicodedata.category(character)
        if category in ("Cc", "Cf", "Cs", "Zl", "Zp"):
            for written in (one_line(character), plain(character)):
                assert written.isprintable() or written in "\n\t", hex(number)
        elif category[0] in "LMNPS":
            assert one_line(character) == plain(character) == character
    assert one_line("a\u202eb\x1bc\U000e0041\n\u00a0d") == "a\\u202eb\\x1bc\\U000e0041  d"
    assert plain("a\nb\tc\rd\u3000e") == "a\nb\tc\\x0dd\u3000e"
