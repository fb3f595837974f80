"""HTML pages of a catalog."""
