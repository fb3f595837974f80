"""A crew on a Dask cluster; the only module that knows Dask (`pip install 'stacgen[dask]'`).

Workers fetch, decode and publish COGs, thumbnails and Items to the store themselves; only small
documents come back, and only the client commits catalogs.
"""

import logging
from concurrent.futures import CancelledError, Future
from dataclasses import replace
from typing import Any

from distributed import Client, KilledWorker, LocalCluster
from distributed import Future as Promised
from distributed.comm.core import CommClosedError

from stacgen.errors import ClusterError
from stacgen.outcomes import Failed
from stacgen.pipeline.crew import LOCAL
from stacgen.pipeline.plan import Task
from stacgen.pipeline.segment import process
from stacgen.pipeline.work import Context, Result
from stacgen.ports import Fetch

_EACH = 2
"""Segments a worker thread has at hand, so that it need not wait for the client."""

_LOST = "scheduler-connection-lost"
"""What Dask calls it; nothing of the work is known any more, also if there is a new connection."""


class Dask:
    """Hands segments to the workers of a cluster.

    A worker that is lost costs the segments it was at, and these are begun again elsewhere; one
    that takes several workers with it fails its frames by name. A scheduler that is lost takes all
    with it, and ends the build.
    """

    def __init__(self, address: str, fetch: Fetch, *, workers: int | None = None) -> None:
        self._address, self._fetch = address, fetch
        self._is_stopped = False
        self._cluster: LocalCluster | None = None
        if address == LOCAL:
            self._cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                dashboard_address=None,
                silence_logs=logging.CRITICAL,
            )
            self._client = Client(self._cluster)
        else:
            self._client = Client(address)
        self._loop: Any = self._client.loop

    @property
    def capacity(self) -> int:
        """See `stacgen.pipeline.crew.Crew`; it follows the cluster as that grows and shrinks."""
        self._check()
        try:
            return max(2, _EACH * int(sum(self._client.nthreads().values())))
        except OSError as error:
            raise self._lost() from error

    def submit(self, task: Task, context: Context) -> "Future[list[Result]]":
        """See `stacgen.pipeline.crew.Crew`."""
        self._check()
        promise: Future[list[Result]] = Future()
        sent = self._client.submit(
            process, task, replace(context, stopped=None), fetch=self._fetch, pure=False
        )
        self._loop.add_callback(self._settle, promise, sent, task)
        return promise

    def stop(self) -> None:
        """See `stacgen.pipeline.crew.Crew`."""
        self._is_stopped = True
        log = logging.getLogger("distributed.client")
        level = log.level
        log.setLevel(logging.CRITICAL)  # a lost scheduler is told in a sentence, not in tracebacks
        try:
            self._client.close()
        finally:
            log.setLevel(level)
        if self._cluster is not None:
            self._cluster.close()

    async def _settle(
        self, promise: "Future[list[Result]]", sent: "Promised[list[Result]]", task: Task
    ) -> None:
        """Keep a promise, or break it with what its caller shall raise; in the client's loop."""
        try:
            results = await self._client.gather(sent, asynchronous=True)
            promise.set_result(results)
        except BaseException as error:  # noqa: BLE001 - it is the caller's, who raises it
            if self._is_stopped:
                promise.cancel()
            elif self._tells_loss(error):
                promise.set_exception(self._lost())
            elif isinstance(error, KilledWorker | CancelledError):
                reason = _reason(task, error)
                promise.set_result([Failed(ref=ref, reason=reason) for ref in task.frames])
            else:
                promise.set_exception(error)

    @property
    def _is_connected(self) -> bool:
        return bool(self._client.status == "running")

    def _tells_loss(self, error: BaseException) -> bool:
        is_cut = isinstance(error, CommClosedError) or _LOST in str(error)
        return is_cut or not self._is_connected

    def _check(self) -> None:
        """Stop here where asking the scheduler would take half a minute to fail."""
        if not self._is_connected:
            raise self._lost()

    def _lost(self) -> ClusterError:
        return ClusterError(
            f"The Dask scheduler at {self._address} is gone. What was finished stands; start it and"
            " run again."
        )


def _reason(task: Task, error: BaseException) -> str:
    if isinstance(error, KilledWorker):
        return f"{task.segment} was lost with the workers that took it ({error})."
    return (
        f"The Dask scheduler let go of {task.segment}: somebody cancelled it, or restarted the"
        " cluster."
    )
