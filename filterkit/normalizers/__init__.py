"""Normalizers: how weights and feature maps become values in [0, 1]."""
