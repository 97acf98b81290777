"""ONNX graphs: validated (`loading`), queried (`view`), searched for layers (`layers`), cut (`excerpt`), and
traced along their axes for receptive fields (`axes`).
"""
