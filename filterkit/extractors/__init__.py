"""Weight extractors: how filter banks are found in a graph."""
