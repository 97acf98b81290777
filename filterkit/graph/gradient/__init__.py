"""Gradients as graphs: forward and backward in one, of standard operators, for any execution provider."""
