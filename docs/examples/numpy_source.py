"""Model source `npy`: filters from a NumPy file, as a model. ``filterkit add npy:bank.npy``"""

from pathlib import Path

import filterkit


class NpySource:
    scheme = "npy"

    def fetch(self, ref, workdir, progress):
        import numpy as np
        import onnx
        from onnx import TensorProto, helper, numpy_helper

        if not Path(ref).is_file():
            raise filterkit.SourceError(f"there is no file '{ref}'")
        weights = np.load(ref, allow_pickle=False).astype(np.float32)
        count, channels = weights.shape[:2]
        graph = helper.make_graph(
            [helper.make_node("Conv", ["picture", "weights"], ["maps"], name="filters")],
            "npy",
            [helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["N", channels, "H", "W"])],
            [helper.make_tensor_value_info("maps", TensorProto.FLOAT, ["N", count, "H2", "W2"])],
            [numpy_helper.from_array(weights, "weights")],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, workdir / "model.onnx")
        return filterkit.FetchedModel(workdir / "model.onnx", origin=f"npy:{ref}")


@filterkit.hookimpl
def filterkit_model_sources():
    return [filterkit.Contribution("npy", "Filters from a .npy file, axes O I H W", NpySource)]
