"""Normalizers: map weights and feature maps to values in [0, 1]."""
