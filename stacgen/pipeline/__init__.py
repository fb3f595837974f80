"""The stages, composed: plan, build segments, commit.

```
API answer -> frames -> segments -> codes -> digital numbers -> COG -> Item -> catalogs -> store
|------- plan -------|  |------------------ segment ------------------|  |----- commit -----|
```
"""

from stacgen.pipeline.run import Request, build, dry_run, list_frames

__all__ = ["Request", "build", "dry_run", "list_frames"]
