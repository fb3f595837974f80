"""Changes of a published catalog: commit, derived documents, index, repair, publish, validate."""
