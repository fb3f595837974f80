"""Items and Collections as stac-geoparquet: tables in memory, Parquet files, and questions to them.

The only door to pyarrow. Importing it takes half a second, so whoever may not need it imports this
package within a function. No input and no output: files are bytes here.

In memory the links of all rows are written from the root (`./29PKR/B09/...`), so that tables of
several Collections can be put together. `stacgen.stac.geoparquet.files` turns them into what a file
has.
"""

from stacgen.stac.geoparquet.collections import Collections, Listed, TableReference, TableSummary
from stacgen.stac.geoparquet.files import (
    Mirror,
    Place,
    from_bytes,
    multihash,
    relocated,
    to_bytes,
)
from stacgen.stac.geoparquet.query import Answer, answer
from stacgen.stac.geoparquet.table import Table, brief, documents, load, tabulate, united

__all__ = [
    "Answer",
    "Collections",
    "Listed",
    "Mirror",
    "Place",
    "Table",
    "TableReference",
    "TableSummary",
    "answer",
    "brief",
    "documents",
    "from_bytes",
    "load",
    "multihash",
    "relocated",
    "tabulate",
    "to_bytes",
    "united",
]
