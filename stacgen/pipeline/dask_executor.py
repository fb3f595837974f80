"""A crew on a Dask cluster; the only module that knows Dask (`pip install 'stacgen[dask]'`).

Workers fetch, decode and publish COGs, thumbnails and Items to the store themselves; only small
documents come back, and only the client commits catalogs.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import replace
from typing import Any

from distributed import Client, KilledWorker, LocalCluster
from distributed import Future as Promised
from distributed.comm.core import CommClosedError

from stacgen.errors import ClusterError, OutputError
from stacgen.model.concurrent import abreast
from stacgen.model.outcomes import Failed
from stacgen.model.protocols import Fetch
from stacgen.pipeline.executor import LOCAL
from stacgen.pipeline.plan import Task
from stacgen.pipeline.segment import process
from stacgen.pipeline.task import Context, Done, Result
from stacgen.stac import stac_json
from stacgen.stac.inventory import read_item
from stacgen.stac.layout import CollectionPlace

_EACH = 2
"""Segments a worker thread has at hand, so that it need not wait for the client."""

_LATE = 60
"""Seconds until what another machine wrote shows: NFS remembers so long that nothing was there."""

_LOST = "scheduler-connection-lost"
"""What Dask calls it; nothing of the work is known any more, also if there is a new connection."""


class Dask:
    """Hands segments to the workers of a cluster.

    A worker that is lost costs the segments it was at, and these are begun again elsewhere; one
    that takes several workers with it fails its frames by name. A scheduler that is lost takes all
    with it, and ends the build.

    Workers at an address may be on machines with disks of their own, so what they say to have
    written is looked for before it counts.
    """

    def __init__(
        self, address: str, fetch: Fetch, *, workers: int | None = None, late: float = _LATE
    ) -> None:
        self._address, self._fetch, self._late = address, fetch, late
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
        """See `executor.Crew`; it follows the cluster as that grows and shrinks."""
        self._check()
        try:
            return max(2, _EACH * int(sum(self._client.nthreads().values())))
        except OSError as error:
            raise self._lost() from error

    def submit(self, task: Task, context: Context) -> "Future[list[Result]]":
        """See `stacgen.pipeline.executor.Crew`."""
        self._check()
        promise: Future[list[Result]] = Future()
        sent = self._client.submit(
            process, task, replace(context, stopped=None), fetch=self._fetch, pure=False
        )
        self._loop.add_callback(self._settle, promise, sent, task, context)
        return promise

    def stop(self) -> None:
        """See `stacgen.pipeline.executor.Crew`."""
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
        self,
        promise: "Future[list[Result]]",
        sent: "Promised[list[Result]]",
        task: Task,
        context: Context,
    ) -> None:
        """Keep a promise, or break it with what its caller shall raise; in the client's loop."""
        try:
            results = await self._client.gather(sent, asynchronous=True)
            if self._cluster is None:
                await self._look_for(results, context)
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

    async def _look_for(self, results: Sequence[Result], context: Context) -> None:
        """Wait until Items that workers say to have written are seen from here.

        Raises:
            OutputError: One is not there, or an older one is.
        """
        missing = [each for each in results if isinstance(each, Done)]
        latest = time.monotonic() + self._late
        while missing := await asyncio.to_thread(_missing, missing, context):
            if time.monotonic() > latest:
                raise OutputError(
                    f"The Item {missing[0].built.ref.href} is not there, though a Dask worker wrote"
                    " it. The workers write elsewhere: take an output that they and this machine"
                    " share, such as a bucket."
                )
            await asyncio.sleep(1)

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


def _missing(done: Sequence[Done], context: Context) -> list[Done]:
    """Those whose Item is not in the store, or is older than what was written."""
    store, stream = context.store, context.stream
    place = CollectionPlace(tile=stream.tile, band=stream.band)

    def is_there(each: Done) -> bool:
        ref = each.built.ref
        found = read_item(store, place.item(ref.item_id, ref.frame.sensing_time.year))
        return found is not None and _updated(found) >= _updated(each.document)

    there = abreast(store, is_there, done)
    return [each for each, is_seen in zip(done, there, strict=True) if not is_seen]


def _updated(document: stac_json.Document) -> str:
    return str(document.get("properties", {}).get("updated", ""))
