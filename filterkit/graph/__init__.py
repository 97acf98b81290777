"""Reading ONNX graphs: loading, constants, naming, geometry, cutting."""
