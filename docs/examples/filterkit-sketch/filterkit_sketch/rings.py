"""The model source `rings`."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import filterkit

SIZE = 21


class Rings:
    """Filters that respond to rings: ``rings:?count=8`` makes eight, from small to large."""

    scheme = "rings"

    def fetch(self, ref, workdir, progress):
        count = self.count(ref)
        radii = np.linspace(2, 8, count)
        onnx.save(network(rings(radii)), workdir / "rings.onnx")
        return filterkit.FetchedModel(
            workdir / "rings.onnx",
            origin=f"rings:?count={count}",
            preprocessing=filterkit.Preprocessing(channel_order="GRAY", scale=1 / 255),
            filter_labels={"rings": [f"r={radius:.1f}" for radius in radii]},
        )

    def count(self, ref):
        name, options = filterkit.split_options(ref)
        text = options.pop("count", "8")
        if name or options:
            raise filterkit.UsageError(f"unknown part '{name or next(iter(options))}'", hint="rings:?count=8")
        if not text.isdecimal() or not 1 <= int(text) <= 64:
            raise filterkit.UsageError(f"count cannot be '{text}'", hint="a whole number from 1 to 64")
        return int(text)


def rings(radii):
    """Rings, shape (filters, 1, SIZE, SIZE), with zero mean, so that uniform areas give no response."""
    x = np.arange(SIZE) - SIZE // 2
    distance = np.hypot(x, x[:, np.newaxis])
    filters = np.exp(-((distance - radii[:, None, None]) ** 2) / 2)
    filters -= filters.mean(axis=(1, 2), keepdims=True)
    return filters[:, np.newaxis].astype(np.float32)


def network(filters):
    """One convolution on a gray picture of any size."""
    graph = helper.make_graph(
        [helper.make_node("Conv", ["gray", "filters"], ["maps"], name="rings", pads=[SIZE // 2] * 4)],
        "rings",
        [helper.make_tensor_value_info("gray", TensorProto.FLOAT, ["N", 1, "H", "W"])],
        [helper.make_tensor_value_info("maps", TensorProto.FLOAT, ["N", len(filters), "H", "W"])],
        [numpy_helper.from_array(filters, "filters")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
