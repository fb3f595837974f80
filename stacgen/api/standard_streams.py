"""Standard streams of the process: stdout that fails by name, stderr that never fails.

Whatever prints, be it ours, Typer's or Rich's, then needs no care of a full disk or a closed pipe.
"""

import io
import os
import sys
from contextlib import suppress
from typing import Any, TextIO

from stacgen.errors import OutputError


def guard() -> None:
    """Replace `sys.stdout` and `sys.stderr`, unless somebody else did, as test runners do.

    A stream that was closed when the process began is put on the null device. Otherwise the next
    file to be opened would get its number, and what native libraries print would go into that.
    """
    _occupy()
    if sys.stdout is sys.__stdout__:
        sys.stdout = _text(sys.stdout, _Stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _text(sys.stderr, _Stderr)


def _occupy() -> None:
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):
                # The lowest number that is free; children get it, too.
                os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003 - builtin


def _text(stream: TextIO | None, kind: "type[_Guarded]") -> TextIO:
    if stream is None:
        return io.TextIOWrapper(io.BufferedWriter(kind(None)), "utf-8", "backslashreplace")
    raw: Any = getattr(stream.buffer, "raw", stream.buffer)  # without a buffer where -u was given
    return io.TextIOWrapper(
        io.BufferedWriter(kind(raw)),
        stream.encoding,
        stream.errors,
        line_buffering=getattr(stream, "line_buffering", False),
        write_through=getattr(stream, "write_through", False),
    )


class _Guarded(io.RawIOBase):
    """The bytes of a stream on their way to the operating system; None where it was closed."""

    def __init__(self, raw: io.RawIOBase | None) -> None:
        super().__init__()
        self._raw = raw
        self._has_failed = False

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        if self._raw is None:
            raise io.UnsupportedOperation("fileno")
        return self._raw.fileno()

    def isatty(self) -> bool:
        return self._raw is not None and self._raw.isatty()

    def write(self, data: Any, /) -> int:  # noqa: ANN401 - any buffer, which Python 3.11 cannot say
        if not self._has_failed:
            try:
                if self._raw is None:
                    raise OSError(0, "it is closed")  # noqa: TRY301 - as the system says others
                return self._raw.write(data) or 0
            except OSError as error:
                self._has_failed = True
                self._fail(error)
        return len(data)

    def _fail(self, error: OSError) -> None:
        """Say once that nothing more can be written; what follows is dropped."""
        raise NotImplementedError


class _Stdout(_Guarded):
    def _fail(self, error: OSError) -> None:
        reason = "its reader has gone" if isinstance(error, BrokenPipeError) else error.strerror
        raise OutputError(
            f"The result cannot be written to stdout: {(reason or 'it failed').lower()}."
        ) from error


class _Stderr(_Guarded):
    def _fail(self, error: OSError) -> None:
        """Nothing: messages are for people, and the work goes on without them."""
