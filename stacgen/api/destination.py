"""Where a command writes the file that a user named: a path, standard output, or a bucket.

The only place that writes such files, so that each kind of path is treated alike by all commands.
"""

import errno
import os
import re
import secrets
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

from stacgen.errors import OutputError

STDOUT = "-"
"""Standard output, as many programs name it."""

_DESCRIPTOR = re.compile(r"/dev/fd/(\d+)|/proc/self/fd/(\d+)", re.ASCII)
"""Files that the process has open, as `>(cat)` of a shell names them."""


def write(
    output: str | Path,
    content: bytes,
    media_type: str,
    store_options: Mapping[str, str] | None = None,
) -> None:
    """Write a file that a user named.

    A regular file is replaced whole and keeps its mode; a link stays, and the file that it leads
    to is replaced. Anything else (a device, a named pipe, an open file) is opened and written to.

    Args:
        output: A path, `-` for standard output, or the URL of an object in a bucket.
        content: All of it.
        media_type: Of the content; buckets keep it.
        store_options: Settings of the bucket beside those in the environment.

    Raises:
        OutputError: It cannot be written; a regular file that was there is as it was.
    """
    text = str(output)
    if "://" in text:
        from stacgen.io.stores import open_store  # noqa: PLC0415 - numpy, which --help needs not

        folder, _, name = text.rpartition("/")
        open_store(folder, store_options).write(name, content, media_type)
        return
    try:
        _write_local(text, content)
    except OSError as error:
        name = "Standard output" if text == STDOUT else text
        reason = error.strerror or str(error)
        raise OutputError(f"{name} cannot be written: {reason}.") from error


def _write_local(output: str, content: bytes) -> None:
    found = _DESCRIPTOR.fullmatch(output)
    if output in (STDOUT, "/dev/stdout"):
        _to_stdout(content)
    elif found is not None:
        _to_descriptor(int(found[1] or found[2]), content)
    else:
        path = Path(output)
        if not path.parent.is_dir():
            raise OutputError(f"{output} cannot be written: there is no folder {path.parent}.")
        if path.is_dir():
            raise OutputError(f"{output} cannot be written: it is a folder; name a file in it.")
        if path.exists() and not path.is_file():
            path.write_bytes(content)
        else:
            _replace(Path(os.path.realpath(path)), content)


def _to_stdout(content: bytes) -> None:
    """Write bytes past the text layer of `sys.stdout`."""
    if sys.stdout is None:  # closed before Python began
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def _to_descriptor(descriptor: int, content: bytes) -> None:
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(content)


def _replace(path: Path, content: bytes) -> None:
    """Put a file in place, from a hidden one in the same folder that is on the disk."""
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            temporary.chmod(stat.S_IMODE(path.stat().st_mode))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
