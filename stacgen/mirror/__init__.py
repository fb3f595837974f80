"""Items as stac-geoparquet: tables in memory, Parquet files, and questions put to them.

The only door to pyarrow. Importing it takes half a second, so whoever may not need it imports this
package within a function. No input and no output: files are bytes here.

In memory the links of all Items are written from the root (`./29PKR/B09/...`), so that tables of
several Collections can be put together. `stacgen.mirror.files` turns them into what a file has.
"""

from stacgen.mirror.files import Mirror, Part, Place, Writer, from_bytes, grouped, to_bytes
from stacgen.mirror.query import Answer, answer
from stacgen.mirror.shape import joined
from stacgen.mirror.table import Table, brief, documents, load, shape_of, tabulate, united

__all__ = [
    "Answer",
    "Mirror",
    "Part",
    "Place",
    "Table",
    "Writer",
    "answer",
    "brief",
    "documents",
    "from_bytes",
    "grouped",
    "joined",
    "load",
    "shape_of",
    "tabulate",
    "to_bytes",
    "united",
]
