"""Renderers: how a sheet of tiles becomes a picture."""
