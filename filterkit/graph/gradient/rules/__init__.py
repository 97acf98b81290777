"""Gradient rules of the standard operators and of ONNX Runtime's own, one file per family."""
