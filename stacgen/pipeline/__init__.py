"""The stages, composed: plan, build segments, commit.

```
API answer -> frames -> segments -> codes -> digital numbers -> COG -> Item -> catalogs -> store
|------- plan -------|  |------------------ segment ------------------|  |----- commit -----|
```
"""

from stacgen.pipeline.crawl import Crawled
from stacgen.pipeline.crew import Crew, Threads, workers_for
from stacgen.pipeline.index import index
from stacgen.pipeline.keepup import keep_up
from stacgen.pipeline.order import Order, Request, Shard
from stacgen.pipeline.publish import Copy, publish
from stacgen.pipeline.repair import repair
from stacgen.pipeline.run import build, dry_run, list_frames
from stacgen.pipeline.validate import Validation, validate

__all__ = [
    "Copy",
    "Crawled",
    "Crew",
    "Order",
    "Request",
    "Shard",
    "Threads",
    "Validation",
    "build",
    "dry_run",
    "index",
    "keep_up",
    "list_frames",
    "publish",
    "repair",
    "validate",
    "workers_for",
]
