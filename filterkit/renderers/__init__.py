"""Renderers: turn a sheet of tiles into a picture.

A new one is a module here and a `Contribution` in `filterkit.plugins.builtins`; `filterkit.renderers.drawing`
chooses the default for a file type.
"""
