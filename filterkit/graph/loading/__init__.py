"""ONNX files of unknown origin: checked, and brought into one form."""
