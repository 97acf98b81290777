"""Lookups in a graph: producers, consumers, shapes and constants."""
