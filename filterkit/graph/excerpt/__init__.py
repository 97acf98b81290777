"""Excerpts: the part of a model that must run to compute the wanted tensors."""
