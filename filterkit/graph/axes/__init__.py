"""Receptive fields: the axes of every tensor, traced back to the model's input."""
