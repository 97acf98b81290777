"""Adding a model to a catalog: `stage` does all the work, `commit` writes the result."""
