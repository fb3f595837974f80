"""The synthetic service of `stacgen sample`, over HTTP."""

from contextlib import AbstractContextManager

from stacgen.dunia import sample


def serve(*, host: str, port: int) -> AbstractContextManager[str]:
    """Serve a synthetic landscape as DUNIA would while the context lasts; gives the address.

    Raises:
        OSError: Nothing can listen there.
    """
    return sample.serve(host=host, port=port)
