"""Fuzz target: catalogs and stores of strangers through the commands and the Python API.

    python tests/hostile/fuzz_catalogs.py --runs 5000 --workers 2 --seed 1 [--only 17]

Every run damages one small catalog in its rows, schema, bytes, journal, log or store, and then runs a few
commands on it, in bounded time and memory. Nothing outside the catalog's folder may be read, written or
removed, commands that only read leave the folder as it was, and whatever fails says so in one line with a
hint. A run is identified by its seed and its number alone.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import stat
import sys
import tempfile
import threading
import time
import traceback
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import fuzz_watch
from fuzz_catalog_commands import Command, choose, warm_up
from fuzz_log_mutations import changes, logs, whole
from fuzz_outside import Audit, Outside, State, state
from fuzz_page_mutations import spoil
from fuzz_row_mutations import rows
from fuzz_scene import Scene
from fuzz_schema_mutations import schema
from fuzz_store_mutations import store

SLOW = 10.0
"""Seconds of processor time that one command may take."""
SPENT = 15
"""Seconds of processor time after which a process is ended."""
HUNG = 60
"""Seconds after which the commands of a run are taken to hang; less than a worker may be silent."""
GREEDY = 1 << 30
"""Bytes by which one command may raise the process's peak."""
ADDRESS_SPACE = 12 << 30
"""Bytes; allocating beyond raises MemoryError instead of calling for the kernel's killer."""
LONGEST = 4000
"""Letters on stderr; an error and its hint are two lines."""
STARTED = 97
"""Every so manieth run starts a new Python for each command, as a user does."""

UNCIVIL = ("Traceback", "unexpected ", "bug in filterkit", "Warning")
"""Words that no user should read about a catalog."""

Mutation = Callable[[Scene, random.Random], str]

IN_DATABASE: tuple[Mutation, ...] = (rows, rows, rows, rows, schema, schema, spoil, spoil)
BESIDE_IT: tuple[Mutation, ...] = (logs, logs, store, store, store, store, whole)
"""These open no database, which one that is damaged already might not survive."""


def mutate(scene: Scene, draw: random.Random) -> str:
    """Damage a sound catalog, mostly in one way; says how."""
    database, beside = (IN_DATABASE,), (BESIDE_IT,)
    kinds = draw.choice((database, database, beside, beside, ((changes,),), database + beside))
    said = []
    for kind in kinds:
        mutation = draw.choice(kind)
        with suppress(OSError):  # what was damaged once takes no more
            said.append(f"{mutation.__name__.strip('_')}: {mutation(scene, draw)}")
    return " + ".join(said)


def prepare(folder: Path) -> None:
    """Make the sound catalogs, and the models that commands add, once for all workers."""
    from fuzz_catalog_corpus import make_catalogs, make_models

    (folder / "models").mkdir()
    make_models(folder / "models")
    make_catalogs(folder / "catalogs", folder / "models")
    templates = folder / "templates"
    shutil.copytree(folder / "models" / "apart", templates / "model")
    (templates / "model" / "external.onnx").rename(templates / "model" / "model.onnx")
    shutil.copyfile(folder / "catalogs" / "classic" / "catalog.db", templates / "catalog.db")
    [bank, *_] = (folder / "catalogs" / "networks" / "catalog.store" / "banks").iterdir()
    shutil.copyfile(bank, templates / "bank.safetensors")


class Bench:
    """Where runs take place: a folder for the catalog, and what lies outside of it."""

    def __init__(self, folder: Path) -> None:
        self.catalogs = {
            path.name: _layers(path / "catalog.db") for path in sorted((folder / "catalogs").iterdir())
        }
        self.corpus = folder
        base = Path(tempfile.mkdtemp(prefix="bench-", dir=folder))
        self.outside = Outside(base, folder / "templates")
        self.shared, self.work = self.outside.base / "shared", self.outside.base / "work"
        os.environ |= {"TMPDIR": str(self.outside.base / "tmp"), "COLUMNS": "80", "NO_COLOR": "1"}
        cache = str(self.outside.base / "cache")
        os.environ |= {"XDG_CACHE_HOME": cache, "MPLCONFIGDIR": cache}
        os.environ |= {"FILTERKIT_CATALOG": str(self.shared / "catalog.db")}
        tempfile.tempdir = None
        self.audit = Audit(self.outside)

    def set_up(self, name: str, draw: random.Random) -> tuple[Scene, str]:
        """Damage a fresh copy of a catalog; also what was done to it, in words."""
        for folder in (self.shared, self.work, self.outside.base / "tmp"):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.corpus / "catalogs" / name, self.shared)
        shutil.copytree(self.corpus / "models", self.work)
        (self.outside.base / "tmp").mkdir()
        scene = Scene(self.shared, self.outside.folder, self.outside.targets())
        return scene, mutate(scene, draw)

    def run(self, seed: int, number: int) -> dict[str, Any]:
        """One run, in a process that is forked for it."""
        draw = random.Random(f"{seed}-{number}")
        name = draw.choice(sorted(self.catalogs))
        scene, said = self.set_up(name, draw)
        commands = choose(draw, *self.catalogs[name])
        self.outside.touched()
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            self._in_child(
                writer, scene, commands, older=name.startswith("older"), started=number % STARTED == 0
            )
        os.close(writer)
        alarm = threading.Timer(HUNG, os.kill, (child, signal.SIGKILL))
        alarm.start()
        with os.fdopen(reader, encoding="utf-8") as lines:
            news = [json.loads(line) for line in lines]
        _, status = os.waitpid(child, 0)
        alarm.cancel()
        alarm.join()
        findings = [f"{each['at']}: {found}" for each in news for found in each.get("findings", ())]
        code = os.waitstatus_to_exitcode(status)
        if code:
            after = news[-1]["at"] if news else "nothing"
            ended = (
                f"hangs for {HUNG} seconds" if code == -signal.SIGALRM else f"ends the process with {code}"
            )
            findings += [
                f"{after}: {ended}",
                *(f"{after}: outside, {what}" for what in self.outside.touched()),
            ]
        if findings:
            self.outside.restore()
        outcomes = [each["outcome"] for each in news if "outcome" in each]
        return {
            "done": number,
            "outcome": "finding" if findings else "fine" if set(outcomes) == {0} else "refused",
            "finding": f"{' | '.join(findings)} [{name}: {said}]" if findings else None,
            "took": max((each.get("took", 0) for each in news), default=0),
            "commands": [(each["at"], each["outcome"]) for each in news if "outcome" in each],
            "said": f"{name}: {said}",
        }

    def _in_child(
        self, writer: int, scene: Scene, commands: Sequence[Command], *, older: bool, started: bool
    ) -> None:
        code = 99
        try:
            os.chdir(self.work)
            resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_CPU, (SPENT, SPENT))
            out, err = (
                os.open(self.outside.base / "tmp" / name, os.O_RDWR | os.O_CREAT) for name in ("o", "e")
            )
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(out, 1)
            os.dup2(err, 2)
            # One damage may take the place of what another put there.
            theirs = [path for path in scene.survivors if _survived(path)]
            for command in commands:
                _tell(writer, {"at": str(command)})
                _tell(writer, self._drive(command, scene, out, err, older=older, started=started))
            lost = [f"{path.name} was removed" for path in theirs if not _survived(path)]
            if lost:
                _tell(writer, {"at": "in the end", "findings": [f"somebody's {', '.join(lost)}"]})
            code = 0
        except BaseException:
            _tell(writer, {"at": "the target", "findings": [traceback.format_exc()[-1500:]]})
            code = 98
        finally:
            os._exit(code)

    def _drive(
        self, command: Command, scene: Scene, out: int, err: int, *, older: bool, started: bool
    ) -> dict[str, Any]:
        for handle in (out, err):
            os.ftruncate(handle, 0)
            os.lseek(handle, 0, os.SEEK_SET)
        before, began, peak = state(scene.folder), time.process_time(), _peak()
        with self.audit.listening() as audited:
            code = command.start() if started else command.run()
        gc.collect()  # a connection that an error still holds would keep the next command waiting
        took, grew = time.process_time() - began, _peak() - peak
        said = [os.pread(handle, 1 << 20, 0).decode("utf-8", "replace") for handle in (out, err)]
        findings = [
            *_incivility(command, code, *said),
            *(f"outside, {what}" for what in self.outside.touched()),
        ]
        findings += [f"outside, {what}" for what in audited]
        if command.reads:
            findings += _changes(before, state(scene.folder), older=older)
        if took > SLOW or grew > GREEDY:
            findings.append(f"takes {took:.1f} s and {grew >> 20} MB")
        left = sorted({path.name for path in (self.outside.base / "tmp").iterdir()} - {"o", "e", ".ses"})
        if left:
            findings.append(f"leaves {', '.join(left)}")
        return {
            "at": str(command),
            "outcome": code,
            "findings": findings,
            "took": took,
            "err": said[1][-600:],
        }


def _incivility(command: Command, code: int, out: str, err: str) -> list[str]:
    """What a user should not see."""
    found = []
    if code not in (0, 1, 2):
        found.append(f"exit code {code}")
    found += [f"says {word!r}: {err[-400:]}" for word in UNCIVIL if word in err]
    lines = err.splitlines()
    if len(err) > LONGEST:
        found.append(f"more than {LONGEST} letters on stderr: {err[:200]!r}")
    reported = ("doctor" in str(command) and "FAULT" in out) or '"faults"' in out  # by doctor, on stdout
    refused = [line.partition(":")[0] for line in lines[-2:]] == ["error", "hint"]
    if code and not (found or reported or refused):
        found.append(f"exit code {code} without error and hint: {err[-300:]!r}")
    controls = {c for c in err if unicodedata.category(c) == "Cc" and c != "\n"}
    if controls:
        found.append(f"a terminal would obey {sorted(controls)} in {err[-200:]!r}")
    return found


def _changes(before: State, after: State, *, older: bool) -> list[str]:
    """What a command that reads did to the catalog's folder, but for what it may."""
    found = []
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name), after.get(name)
        if was == now or name == "." or _allowed(name, was is None, older=older):
            continue
        if name == "catalog.db-wal" and was and now and was[:-1] == now[:-1]:
            continue  # SQLite gives it the owner of the catalog, which it has, and so a new time of change
        word = "is new" if was is None else "is gone" if now is None else "is changed"
        found.append(f"reading, {name} {word}")
    return found


def _allowed(name: str, new: bool, *, older: bool) -> bool:
    parts = Path(name).parts
    if name == "catalog.db-shm" or (new and name == "catalog.db-wal"):
        return True  # SQLite's own
    if parts[:2] == ("catalog.store", "cuts") and len(parts) <= 4:
        return True  # `maps` keeps what it cut
    if name == "catalog.store":
        return True  # which gets a folder for them
    return older and (
        (name.startswith("catalog.db.schema-") and new)
        or name in ("catalog.db", "catalog.db-wal", "catalog.db-journal")
    )


def _survived(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode) and path.read_bytes() == b"somebody's"
    except OSError:
        return False


def _layers(path: Path) -> tuple[list[str], list[str]]:
    """Names of all models, and addresses of all layers."""
    with closing(sqlite3.connect(path)) as connection:
        models = [name for (name,) in connection.execute("SELECT name FROM model ORDER BY id")]
        named = "SELECT model.name || '/' || layer.name FROM layer JOIN model ON model.id = model_id"
        return models, [name for (name,) in connection.execute(f"{named} ORDER BY layer.id")]


def _tell(writer: int, news: dict[str, Any]) -> None:
    data = (json.dumps(news) + "\n").encode()
    while data:
        data = data[os.write(writer, data) :]


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def work(seed: int, runs: range, folder: Path) -> None:
    """Drive some runs, saying before and after each where it is, as lines of JSON on stdout."""
    bench = Bench(folder)
    warm_up()
    gc.collect()
    gc.freeze()
    for number in runs:
        print(json.dumps({"at": number}), flush=True)
        print(json.dumps(bench.run(seed, number)), flush=True)


def _in_memory() -> str | None:
    """A folder in memory, where there is one: SQLite waits for the disk at every commit."""
    memory = Path("/dev/shm")
    return str(memory) if os.access(memory, os.W_OK) else None


def fuzz(runs: range, workers: int, seed: int) -> list[fuzz_watch.Report]:
    """All reports, one per run."""
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=_in_memory()) as folder:
        prepare(Path(folder))
        return fuzz_watch.fuzz(__file__, ["--seed", str(seed), "--folder", folder], runs, workers)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--first", type=int, default=0, help="number of the first run")
    parser.add_argument("--only", type=int, help="number of a single run, about which more is said")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        start, stop = map(int, given.work.split(":"))
        work(given.seed, range(start, stop), given.folder)
        return 0
    first, runs = (given.first, given.runs) if given.only is None else (given.only, 1)
    reports = fuzz(range(first, first + runs), given.workers, given.seed)
    if given.only is not None:
        print(json.dumps(reports, indent=1))
    return fuzz_watch.summary(reports, "catalogs")


if __name__ == "__main__":
    sys.exit(main())
