"""A server that runs: in a thread while a context lasts, or until Ctrl-C."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import uvicorn

from stacgen.access.server.app import Settings, make
from stacgen.errors import UsageError
from stacgen.model.protocols import Store

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_PAUSE = 0.005
_OWN_FILES = 32
"""Descriptors that the process needs for itself."""

_GRACE = 3
"""Seconds that answers under way may take once the server is to end; a client may never read on."""


@contextmanager
def running(
    store: Store, *, host: str = "127.0.0.1", port: int = 0, settings: Settings | None = None
) -> Iterator[str]:
    """Serve the catalog in a store until the context ends.

    Args:
        store: Holds the catalog.
        host: Address to listen on.
        port: 0 for any that is free.
        settings: Under which names to answer.

    Yields:
        The address of the server, without a slash at its end.

    Raises:
        UsageError: Nothing can listen there.
        OutputError: The root has no table of Collections, or one that cannot be read.
    """
    settings = settings or Settings()
    names = settings.names | {host.lower(), socket.gethostname().lower()}
    beyond = host not in _LOOPBACK
    app = make(store, replace(settings, names=frozenset(names), any_address=beyond))
    listener = _listen(host, port)
    config = uvicorn.Config(
        app,
        log_level="critical",
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=_GRACE,
        limit_concurrency=_most_clients(),
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=_run, args=(server, listener), daemon=True)
    thread.start()
    try:
        while not server.started:
            time.sleep(_PAUSE)
        bound = listener.getsockname()[1]
        named = f"[{host}]" if ":" in host else host
        yield f"http://{named}:{bound}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def _run(server: uvicorn.Server, listener: socket.socket) -> None:
    async def serve() -> None:
        asyncio.get_running_loop().set_exception_handler(_pass_over)
        await server.serve([listener])

    asyncio.run(serve())


def _pass_over(_loop: asyncio.AbstractEventLoop, _context: dict[str, Any]) -> None:
    """Print no traceback where no client can be accepted; the loop tries again in a second."""


def _most_clients() -> int | None:
    """How many may be answered at a time, each with a socket and a file; others get a 503."""
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return None
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if most == resource.RLIM_INFINITY else max(1, (most - _OWN_FILES) // 2)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        raise UsageError(f"Nothing can listen on {host}:{port}: {error}.") from error
    return listener
