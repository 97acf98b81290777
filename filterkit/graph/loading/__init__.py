"""ONNX files of unknown origin: validated and normalized."""
