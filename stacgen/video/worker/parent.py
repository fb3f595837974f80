"""One child, as its parent sees it."""

import fcntl
import mmap
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from math import prod
from typing import IO, Any

import numpy as np

from stacgen.errors import SegmentError, WrongStreamError
from stacgen.model.protocols import Coded
from stacgen.model.stream import Codes
from stacgen.video.worker.limits import Limits
from stacgen.video.worker.wire import Gone, Wire, ask

_PROGRAM = (
    "import sys; sys.path[:] = sys.argv.pop().split('\\n');"
    " from stacgen.video.worker.child import main; main()"
)
"""Python as it is here, but for what the user's own script does when it is run."""

_TYPES = {"uint8": np.uint8, "uint16": np.uint16}
_LEAST = 0.01
"""Seconds to wait for an answer, even where time is over."""

_DYING = 1.0
"""Seconds that a child has to end after it has hung up."""


class Child:
    """A process that decodes segments, one after another. It is used by one thread at a time.

    Raises:
        OSError: The system begins no further process.
    """

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs, ExitStack() as undo:
            self._wire = Wire(undo.enter_context(ours))
            self._plane = undo.enter_context(_memory())
            self._process = _begun(theirs.fileno(), self._plane.fileno())
            undo.pop_all()
        self._shown: mmap.mmap | None = None
        self.is_idle = True
        """Whether it waits for a segment."""

    def frames(self, coded: Coded, limits: Limits) -> Iterator[Codes]:
        """See `model.protocols.Decode`."""
        self.is_idle = False
        shared = self._shared(coded.frame_bytes)
        due, left, began = set(coded.wanted), limits.seconds, time.monotonic()
        try:
            self._wire.socket.settimeout(left)
            ask(self._wire, coded, limits)
            while "number" in (message := self._next()):
                left -= time.monotonic() - began
                codes = _codes(message, shared, coded.frame_shape)
                due.remove(codes.number)
                yield codes
                began = time.monotonic()
                self._wire.socket.settimeout(max(left, _LEAST))
            self._conclude(message, set() if coded.is_last else due, limits)
        except TimeoutError as error:
            raise SegmentError(f"the decoder took longer than {limits.seconds:.0f} s") from error
        except Gone as error:
            raise SegmentError(self._fate(limits)) from error
        except (ValueError, KeyError, TypeError) as error:
            raise SegmentError("the decoder speaks in riddles") from error

    def _shared(self, size: int) -> mmap.mmap:
        """Its memory, to look at; mapped once, as that takes a while."""
        if self._shown is None or len(self._shown) != size:
            if os.fstat(self._plane.fileno()).st_size < size:
                os.ftruncate(self._plane.fileno(), size)
            self._shown = mmap.mmap(self._plane.fileno(), size, prot=mmap.PROT_READ)
        return self._shown

    def _next(self) -> dict[str, Any]:
        """Let it use the memory, and hear what comes of that."""
        self._wire.say({})
        return self._wire.hear()

    def _conclude(self, message: dict[str, Any], due: set[int], limits: Limits) -> None:
        """The last word on a segment."""
        if "memory" in message:
            raise SegmentError(f"the decoder needed more memory than {_amount(limits.memory)}")
        if "error" not in message and due:
            raise ValueError("frames that were not shown")
        self.is_idle = True
        if "error" in message:
            kind = WrongStreamError if message["is_wrong_stream"] else SegmentError
            raise kind(str(message["error"]))

    def _fate(self, limits: Limits) -> str:
        """What has become of a child that hung up."""
        try:
            code = self._process.wait(_DYING)
        except subprocess.TimeoutExpired:
            return "the decoder hung up"
        if code in (-signal.SIGALRM, -signal.SIGXCPU):
            return f"the decoder took longer than {limits.seconds:.0f} s"
        if code == -signal.SIGKILL:
            return "the decoder was killed (signal 9), as a system does that is out of memory"
        return f"the decoder crashed ({f'signal {-code}' if code < 0 else f'exit code {code}'})"

    @property
    def is_alive(self) -> bool:
        """Whether the process is there."""
        return self._process.poll() is None

    def kill(self) -> None:
        """Begin to end it, whatever it is at; whoever uses it then learns that it is gone."""
        self._process.kill()

    def end(self) -> None:
        """End it. It is used by nobody any more."""
        self._process.kill()
        self._process.wait()
        self._wire.socket.close()
        self._plane.close()


def _begun(wire: int, plane: int) -> "subprocess.Popen[bytes]":
    """The process, with the descriptors of its end of the socket and of the memory."""
    path = "\n".join(os.path.abspath(each) for each in sys.path)  # noqa: PTH100 - "" is here
    return subprocess.Popen(  # noqa: S603 - ourselves
        [sys.executable, "-c", _PROGRAM, str(wire), str(plane), path],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(wire, plane),
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        process_group=0,  # Ctrl-C is for the parent
    )


def _memory() -> IO[bytes]:
    """Memory without a name, that two processes share and neither can make smaller.

    Not that of `multiprocessing`, of which containers often have no more than 64 MB.
    """
    if sys.platform != "linux":
        return tempfile.TemporaryFile()
    plane = os.memfd_create("stacgen", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    fcntl.fcntl(plane, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
    return os.fdopen(plane, "r+b", buffering=0)


def _codes(message: dict[str, Any], shared: mmap.mmap, shape: tuple[int, ...]) -> Codes:
    """A frame as the child tells of it, its pixels those in the memory.

    Raises:
        ValueError, KeyError: It does not make sense.
    """
    kind = np.dtype(_TYPES[message["type"]])
    pixels = np.frombuffer(shared, kind, prod(shape)).reshape(shape)
    return Codes(
        number=message["number"],
        pixels=pixels,
        bits=message["bits"],
        seconds=Fraction(message["seconds"]),
        verified=message["verified"],
        jump=None if message["jump"] is None else float(message["jump"]),
        software=message["software"],
    )


def _amount(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 10**9 else f"{size / 1e6:.0f} MB"
