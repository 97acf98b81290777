"""Metrics of filters and layers: one family per file.

A new one is a module here and a `Contribution` in `filterkit.plugins.builtins`.
"""
