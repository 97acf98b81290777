"""Command lines, each in a process of its own that is forked off a warm one.

A crash, a hang or a greedy allocation ends the fork and is seen, and starting it costs milliseconds.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from typing import Any

LONGEST = 60
"""Seconds after which a command is taken to hang."""
ADDRESS_SPACE = 16 << 30
"""Bytes; what asks for more gets a MemoryError."""


def main() -> None:

    import filterkit.extractors.convolution
    import filterkit.ingest.commit
    import filterkit.metrics.basic  # noqa: F401
    from filterkit.cli.app import build_app

    build_app()

    for line in sys.stdin:
        print(json.dumps(run(**json.loads(line))), flush=True)


def run(folder: str, words: list[str]) -> dict[str, Any]:
    """Run ``filterkit WORDS...`` in `folder`; what it did, in what time and at what peak of memory."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.monotonic()
        child = os.fork()
        if child == 0:
            _child(folder, words, out.fileno(), err.fileno())
        _, status, usage = os.wait4(child, 0)
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode("utf-8"))
    return {
        "code": os.waitstatus_to_exitcode(status),
        "stdout": said[0],
        "stderr": said[1],
        "seconds": time.monotonic() - began,
        "peak": usage.ru_maxrss * 1024,
    }


def _child(folder: str, words: list[str], out: int, err: int) -> None:
    code = 99
    try:
        os.chdir(folder)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.alarm(LONGEST)
        sys.argv = ["filterkit", *words]
        from filterkit.cli import main as filterkit

        filterkit()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
