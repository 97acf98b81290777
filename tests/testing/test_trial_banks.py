"""Banks with which plugins are checked: every one is what its name says."""

from __future__ import annotations

import numpy as np
import onnxruntime
from onnx_graphs import banks, build, node, opened

from filterkit.testing import bank_of
from filterkit.testing.trial_banks import trial_banks, trial_weights

WEIGHTS = dict(trial_weights())


def test_each_is_what_it_is_called() -> None:
    assert len(WEIGHTS) == len(list(trial_weights()))
    assert all(weights.ndim >= 3 and weights.dtype.kind == "f" for weights in WEIGHTS.values())
    assert {str(weights.dtype) for weights in WEIGHTS.values()} == {"float16", "float32", "float64"}
    assert {weights.ndim - 2 for weights in WEIGHTS.values()} == {1, 2, 3}
    assert WEIGHTS["an empty layer"].shape[0] == 0 == WEIGHTS["filters without kernels"].shape[1]
    assert np.isnan(WEIGHTS["only NaN"]).all() and np.isinf(WEIGHTS["only infinities"]).all()
    assert np.isnan(WEIGHTS["one NaN"]).sum() == np.isinf(WEIGHTS["one infinity"]).sum() == 1
    assert not WEIGHTS["all-zero weights"].any() and np.ptp(WEIGHTS["constant weights"]) == 0
    assert (WEIGHTS["negative weights"] < 0).all() and (WEIGHTS["positive weights"] > 0).all()
    for name in ("a transposed view", "every second filter"):
        assert not WEIGHTS[name].flags.c_contiguous
    for kind in ("weights", "float16", "float64"):
        huge = WEIGHTS[f"huge {kind}"]
        assert np.isfinite(huge).all()
        with np.errstate(over="ignore"):
            assert np.isinf(np.square(huge)).any()
    tiny = WEIGHTS["tiny weights"]
    assert tiny.any() and np.abs(tiny).max() < np.finfo(np.float32).tiny


def test_they_are_the_same_each_time() -> None:
    for name, weights in trial_weights():
        np.testing.assert_array_equal(weights, WEIGHTS[name])


def test_banks_have_the_fields_that_extraction_gives_them() -> None:
    """As for one Conv without padding, by the extractor."""
    for name, bank in trial_banks():
        assert bank.weights.size and bank.out_channels == len(bank.weights)
        assert bank.in_channels == bank.weights.shape[1] * bank.groups
        if bank.weights.dtype != np.float32 or bank.input_channels or not bank.weights.flags.c_contiguous:
            continue
        rank = len(bank.kernel_shape)
        constants = {"w": bank.weights} | ({} if bank.bias is None else {"b": bank.bias})
        conv = node("Conv", " ".join(["image", *constants]), "maps", name="conv", group=bank.groups)
        model = build([conv], {"image": [1, bank.in_channels, *[9] * rank]}, constants)
        onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        [found] = banks(opened(model))
        for field in bank.__slots__:
            np.testing.assert_array_equal(getattr(found, field), getattr(bank, field), f"{name}: {field}")


def test_other_fields_are_as_given() -> None:
    bank = bank_of(np.ones((2, 3, 5), np.float32), activation="relu", post_tensor="post")
    assert (bank.activation, bank.post_tensor, bank.pre_layout) == ("relu", "post", "NCW")
