"""A catalog over HTTP: its files, and a STAC API over its tables (`pip install 'stacgen[serve]'`).

The only door to FastAPI, stac-fastapi and uvicorn. `guard` decides who may ask and how, `files`
sends what lies in the store, `client` answers the API.
"""

import logging

# It warns, when imported, of settings that are given it later, and logs every refusal as an error.
logging.getLogger("stac_fastapi").setLevel(logging.CRITICAL)

from stacgen.access.server.app import Settings, make  # noqa: E402
from stacgen.access.server.run import running  # noqa: E402

__all__ = ["Settings", "make", "running"]
