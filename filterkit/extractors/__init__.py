"""Weight extractors: find the filter banks of a graph."""
