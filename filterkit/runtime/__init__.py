"""Run networks with ONNX Runtime: providers, sessions, pictures, feature maps, single convolutions."""
