"""STAC documents, their layout and hrefs, their GeoParquet tables, and reading them back."""
