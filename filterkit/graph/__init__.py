"""ONNX graphs: loaded, viewed, searched for layers, traced along their axes, and cut."""
