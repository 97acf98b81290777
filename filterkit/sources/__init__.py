"""Model sources: where models come from. Each source resolves a reference to an ONNX file."""
