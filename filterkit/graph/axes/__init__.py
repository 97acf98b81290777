"""Receptive fields: trace the axes of every tensor back to the model's inputs.

`receptive_fields` is the entry; `rules` says what each operator does (convolution, pooling: `rules.windows`).
"""
