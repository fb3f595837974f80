"""A crew on a Dask cluster; the only module that knows Dask (`pip install 'stacgen[dask]'`).

Workers fetch, decode and publish COGs, thumbnails and Items to the store themselves; only small
documents come back, and only the client commits catalogs.
"""

import logging
from concurrent.futures import CancelledError, Future
from dataclasses import replace

from distributed import Client, KilledWorker, LocalCluster

from stacgen.outcomes import Failed
from stacgen.pipeline.crew import LOCAL
from stacgen.pipeline.plan import Task
from stacgen.pipeline.segment import process
from stacgen.pipeline.work import Context, Result
from stacgen.ports import Fetch

_EACH = 2
"""Segments a worker thread has at hand, so that it need not wait for the client."""


class Dask:
    """Hands segments to the workers of a cluster.

    A worker that is lost costs the segments it was at, and these are begun again elsewhere; one
    that takes several workers with it fails its frames by name.
    """

    def __init__(self, address: str, fetch: Fetch, *, workers: int | None = None) -> None:
        self._fetch = fetch
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
        self._executor = self._client.get_executor(pure=False)

    @property
    def capacity(self) -> int:
        """See `stacgen.pipeline.crew.Crew`; it follows the cluster as that grows and shrinks."""
        return max(2, _EACH * int(sum(self._client.nthreads().values())))

    def submit(self, task: Task, context: Context) -> "Future[list[Result]]":
        """See `stacgen.pipeline.crew.Crew`."""
        promise: Future[list[Result]] = Future()
        sent = self._executor.submit(
            process, task, replace(context, stopped=None), fetch=self._fetch
        )

        def settle(done: "Future[list[Result]]") -> None:
            try:
                promise.set_result(done.result())
            except (KilledWorker, CancelledError) as error:
                reason = f"{task.segment} was lost with the workers that took it ({error})."
                promise.set_result([Failed(ref=ref, reason=reason) for ref in task.frames])
            except BaseException as error:  # noqa: BLE001 - it is the caller's, who raises it
                promise.set_exception(error)

        sent.add_done_callback(settle)
        return promise

    def stop(self) -> None:
        """See `stacgen.pipeline.crew.Crew`."""
        self._executor.shutdown(wait=False)
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()
