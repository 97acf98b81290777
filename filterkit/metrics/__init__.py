"""Metrics of filters and layers: one family per file."""
