"""Normalizers: map weights and feature maps to values in [0, 1].

A new one is a module here and a `Contribution` in `filterkit.plugins.builtins`.
"""
