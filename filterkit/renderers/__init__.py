"""Renderers: turn a sheet of tiles into a picture."""
