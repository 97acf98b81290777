"""Names of layers in the graphs that Keras exports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest
from keras_files import fetch

pytestmark = pytest.mark.keras


def test_every_node_that_reads_a_kernel_is_named_after_its_layer(keras: Any, tmp_path: Path) -> None:
    """Whatever kind of layer it is: which of them are found is for extractors to say."""
    layers = keras.layers
    tokens = keras.Input((5, 8))
    x = layers.MultiHeadAttention(2, 4, name="attention_1")(tokens, tokens)
    x = layers.MultiHeadAttention(2, 4, name="attention_2")(x, x)
    x = layers.Dense(6, activation="relu", name="hidden")(x)
    x = layers.LSTM(3, name="lstm")(x)
    x = layers.Dense(6, use_bias=False, name="head")(x)
    path = tmp_path / "tokens.keras"
    keras.Model(tokens, x).save(path)
    fetched = fetch(str(path), tmp_path)
    assert fetched.layer_names is not None
    operators = {node.name: node.op_type for node in onnx.load(fetched.onnx_path).graph.node}
    named = [(operators[node], name) for node, name in fetched.layer_names.items()]
    inside = ("query", "key", "value", "attention_output")
    assert {name for op, name in named if op == "Einsum"} == {
        f"attention_{number}/{name}" for number in (1, 2) for name in inside
    }
    assert {name for op, name in named if op == "MatMul"} == {
        *("hidden", "head", "lstm_cell", "lstm_cell_recurrent")
    }
