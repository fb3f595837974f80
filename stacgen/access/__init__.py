"""Reading a catalog: search, a STAC API server, xarray, time series, previews."""
