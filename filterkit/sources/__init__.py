"""Model sources: where models come from. Each source resolves a reference to an ONNX file.

A new one is a module here and a `Contribution` in `filterkit.plugins.builtins`.
"""
