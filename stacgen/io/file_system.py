"""What a file system is asked to do beside reading and writing: folders, flushes, hard links."""

import errno
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

FLUSHERS = 16
"""Files that are flushed at the same time."""

UNABLE = (
    *(errno.EACCES, errno.EBADF, errno.EINVAL, errno.EISDIR, errno.EMLINK, errno.ENOSYS),
    *(errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM, errno.EXDEV),
)
"""Answers of file systems that have no hard links, or that do not flush folders."""

_IS_WINDOWS = os.name == "nt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """Which calls a file system answers; for each that it does not, `Folder` has another way."""

    flock: bool
    """Locks that are free again when their holder dies; else files with a lease."""

    hard_links: bool
    """A second name for a file, which replaces none; else a rename under a lock."""

    folder_fsync: bool
    """A flush of the names in a folder; else none."""


def make_folder(folder: Path) -> list[Path]:
    """Make a folder and those above it; those that were not there, the uppermost first."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        try:
            each.mkdir(exist_ok=True)
        except FileExistsError as error:
            if each.is_symlink() or each.is_file():
                reason = "it is a file, or a link to what is not there"
                raise NotADirectoryError(errno.ENOTDIR, reason, str(each)) from error
            reason = "another process made it, and removed it again"
            raise FileNotFoundError(errno.ENOENT, reason, str(each)) from error
    return missing[::-1]


def flush(path: Path) -> None:
    """Have the disk hold what the file, or the folder's list of names, holds.

    Windows flushes what is open for writing alone, and no folder: NTFS keeps a journal of names.
    """
    if _IS_WINDOWS and path.is_dir():
        return
    handle = os.open(path, os.O_RDWR if _IS_WINDOWS else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def link_twice(file: Path, second: Path) -> None:
    """Give a file a second name, and take it away again."""
    os.link(file, second)
    second.unlink()


def is_able(call: Callable[[], object]) -> bool:
    """True unless the file system answers that it cannot do that."""
    try:
        call()
    except OSError as error:
        if error.errno not in UNABLE:
            raise
        return False
    return True


def flush_folder(folder: Path) -> None:
    """Have the disk hold a folder's list of names, where the file system can be told to."""
    is_able(lambda: flush(folder))


def flush_all(
    flush_one: Callable[[Path], None], paths: Iterable[Path], pool: ThreadPoolExecutor
) -> None:
    """Flush paths, one share per thread, since a thread costs more to ask than a flush may take."""
    every = list(paths)

    def flush_share(first: int) -> None:
        for path in every[first::FLUSHERS]:
            flush_one(path)

    list(pool.map(flush_share, range(min(FLUSHERS, len(every)))))
