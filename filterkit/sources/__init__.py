"""Model sources: where models come from. One source per file, each turning a reference into an ONNX file."""
