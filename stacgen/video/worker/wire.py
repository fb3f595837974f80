"""What parent and child say to each other, over a socket: JSON lines, and bytes they announce.

Nothing that the child says is ever executed or unpickled: who has taken over a decoder has taken
over no more than that.
"""

import json
import socket
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from stacgen.model.protocols import Coded
from stacgen.model.stream import Timeline
from stacgen.video.worker.limits import Limits

_SMALL, _LARGE = 1 << 14, 1 << 20
"""Bytes asked for at a time: little for a line, which must be heard where memory is short, too."""

_LONGEST = 1 << 20
"""Bytes in a line."""


class Gone(Exception):  # noqa: N818 - no error, but what is the case
    """The other side has ended."""


@dataclass(slots=True)
class Wire:
    """One end of the socket."""

    socket: socket.socket
    _rest: bytes = b""

    def say(self, message: dict[str, Any], *bodies: bytes) -> None:
        """Send a line, and the bytes that it announces."""
        try:
            self.socket.sendall(json.dumps(message).encode() + b"\n")
            for body in bodies:
                self.socket.sendall(body)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Gone from error

    def hear(self) -> dict[str, Any]:
        """The next line.

        Raises:
            ValueError: It is no JSON, or no object.
        """
        while b"\n" not in self._rest:
            if len(self._rest) > _LONGEST:
                raise ValueError("a line without end")
            self._rest += self._received(_SMALL)
        line, _, self._rest = self._rest.partition(b"\n")
        message = json.loads(line)
        if not isinstance(message, dict):
            raise ValueError("no object")  # noqa: TRY004 - what was said is at fault
        return message

    def take(self, size: int) -> bytes:
        """That many bytes."""
        body = bytearray(self._rest[:size])
        self._rest = self._rest[size:]
        while len(body) < size:
            body += self._received(min(_LARGE, size - len(body)))
        return bytes(body)

    def _received(self, size: int) -> bytes:
        try:
            got = self.socket.recv(size)
        except ConnectionResetError as error:
            raise Gone from error
        if not got:
            raise Gone
        return got


def ask(wire: Wire, coded: Coded, limits: Limits) -> None:
    """Hand a segment over."""
    message = {
        "numbers": [coded.numbers.start, coded.numbers.stop],
        "last": coded.is_last,
        "wanted": sorted(coded.wanted),
        "origin": str(coded.timeline.origin),
        "rate": coded.timeline.rate,
        "is_relative": coded.timeline.is_relative,
        "shape": coded.shape,
        "color": coded.is_color,
        "twice": coded.twice,
        "seconds": limits.seconds,
        "memory": limits.memory,
        "sizes": [len(coded.initialization), len(coded.media)],
    }
    wire.say(message, coded.initialization, coded.media)


def asked(wire: Wire) -> tuple[Coded, Limits]:
    """Wait for a segment, and take it."""
    message = wire.hear()
    initialization, media = (wire.take(size) for size in message["sizes"])
    rows, columns = message["shape"]
    coded = Coded(
        media=media,
        initialization=initialization,
        numbers=range(*message["numbers"]),
        is_last=message["last"],
        wanted=frozenset(message["wanted"]),
        timeline=Timeline(
            origin=Fraction(message["origin"]),
            rate=message["rate"],
            is_relative=message["is_relative"],
        ),
        shape=(rows, columns),
        is_color=message["color"],
        twice=message["twice"],
    )
    return coded, Limits(seconds=message["seconds"], memory=message["memory"])
