"""One file of a catalog as GDAL asks for files, whatever the catalog is kept in."""

import io
from typing import Any

from stacgen.errors import StacgenError
from stacgen.model.protocols import Readable
from stacgen.model.stream import ByteRange

_PIECE = 1 << 16
"""Bytes that are read of a file at the least: its header, and more often than not what follows."""


class Files:
    """The one file of a catalog that is opened, as rasterio asks for files."""

    def __init__(self, place: Readable, key: str) -> None:
        self._place = place
        self._key = key
        self._whole: bytes | None = None
        self.length = place.size(key)
        self.trouble: list[Exception] = []
        """What went wrong while GDAL read, which takes no exceptions."""
        if self.length is None:  # of a server that does not tell sizes, all is fetched
            self._whole = place.read(key)
            self.length = None if self._whole is None else len(self._whole)

    def open(self, path: str, mode: str = "r", **_: object) -> io.BufferedReader:
        """The file, read in pieces of a size that suits a network."""
        del path, mode
        return io.BufferedReader(_File(self, self.length or 0), _PIECE)

    def part(self, part: ByteRange) -> bytes:
        """A part of the file; nothing where it cannot be had, and then `trouble` says why."""
        try:
            if self._whole is not None:
                return self._whole[part.offset : part.offset + part.length]
            return self._place.read_part(self._key, part)
        except (StacgenError, OSError) as error:
            self.trouble.append(error)
            return b""

    def isfile(self, path: str) -> bool:
        """Whether it is that file; there are no others beside it."""
        return path == self._key

    def isdir(self, path: str) -> bool:
        """No folder is shown."""
        del path
        return False

    def ls(self, path: str) -> list[str]:
        """No folder is shown."""
        del path
        return []

    def mtime(self, path: str) -> int:
        """Of no interest here."""
        del path
        return 0

    def size(self, path: str) -> int:
        """Bytes of the file."""
        del path
        return self.length or 0

    def rm(self, path: str) -> None:
        """Refuse: a catalog is only read here."""
        raise PermissionError(path)


class _File(io.RawIOBase):
    """Bytes of a file at a position, each read a part that is asked for."""

    def __init__(self, files: Files, length: int) -> None:
        self._files = files
        self._length = length
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._length}[whence]
        self._position = start + offset
        return self._position

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - anything with bytes
        length = min(len(buffer), self._length - self._position)
        if length <= 0:
            return 0
        came = self._files.part(ByteRange(offset=self._position, length=length))
        buffer[: len(came)] = came
        self._position += len(came)
        return len(came)
