"""A build, from request to report: plan, segments, executors.

```
API answer -> frames -> segments -> codes -> digital numbers -> COG -> Item -> catalogs -> store
|------- plan -------|  |------------------ segment ------------------|  |----- catalog -----|
```
"""
