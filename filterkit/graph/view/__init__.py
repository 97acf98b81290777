"""Looking things up in a graph: makers, readers, shapes and constants."""
