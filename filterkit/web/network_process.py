"""The process that runs networks, seen from the server: it is started, asked, interrupted and ended."""

from __future__ import annotations

import os
import pickle
import subprocess
import threading
from contextlib import suppress
from itertools import count
from queue import Empty, SimpleQueue
from typing import Any

from filterkit.child_processes import environment, no_python, python
from filterkit.errors import FilterkitError
from filterkit.web.network_worker import TOO_LARGE

MODULE = "filterkit.web.network_worker"
LAST_SECONDS = 2.0
"""How long the process may take to end, before it is killed."""

Message = tuple[Any, ...]
ENDED: Message = ("ended",)


class NetworkProcess:
    """A process that runs one job at a time on a workbench of its own, and ends with this process.

    Parameters
    ----------
    catalog
        As for `Workbench`.
    memory
        How many bytes it may need.

    Raises
    ------
    FilterkitError
        It cannot be started.
    """

    def __init__(self, catalog: str | os.PathLike[str] | None, memory: int) -> None:
        place = () if catalog is None else (os.fspath(catalog),)
        alone: dict[str, Any] = {"start_new_session": True}  # so that Ctrl-C does not reach it
        if os.name == "nt":
            alone = {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
        try:
            self._process = subprocess.Popen(
                python("-m", MODULE, str(memory), *place),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment(),
                **alone,
            )
        except OSError as error:
            raise no_python(FilterkitError, error.strerror or str(error)) from error
        self._numbers = count(1)
        self._number = 0
        self._messages: SimpleQueue[Message] = SimpleQueue()
        threading.Thread(target=self._read, name="filterkit-networks", daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def begin(self, name: str, arguments: dict[str, Any]) -> None:
        """Begin a job; `receive` gives what becomes of it."""
        self._number = next(self._numbers)
        self._send("job", self._number, name, arguments)

    def interrupt(self) -> None:
        """Interrupt the current job."""
        self._send("stop", self._number)

    def receive(self, seconds: float) -> Message | None:
        """The next message about the current job without its number; `ENDED` if the process has ended.

        None if there is none within `seconds`.
        """
        with suppress(Empty):
            while True:
                kind, *rest = self._messages.get(timeout=seconds)
                if kind == "ended":
                    return ENDED
                if rest[0] == self._number:
                    return (kind, *rest[1:])
        return None

    def why_ended(self) -> FilterkitError:
        """Why the process has ended by itself."""
        try:
            code = self._process.wait(LAST_SECONDS)
        except subprocess.TimeoutExpired:
            code = 0
        if code in (TOO_LARGE, -9):  # -9: the system killed it
            words = "more memory was needed than there is for running networks"
            return FilterkitError(words, hint="use a smaller picture, another layer or another method")
        return FilterkitError(
            f"the process that ran the network ended unexpectedly (exit code {code})",
            hint="try it again; the same on the command line may say more",
        )

    def close(self) -> None:
        """End the process, whatever it does."""
        with suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        try:
            self._process.wait(LAST_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _send(self, *message: Any) -> None:
        with suppress(OSError):  # it has ended, as the next message says
            assert self._process.stdin is not None
            self._process.stdin.write(pickle.dumps(message))
            self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with suppress(EOFError, OSError, ValueError, pickle.UnpicklingError):
            while True:
                self._messages.put(pickle.load(self._process.stdout))
        self._messages.put(ENDED)
