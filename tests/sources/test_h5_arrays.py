"""Arrays of HDF5 files as Keras writes them, in the order of its layers."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from onnx_graphs import random
from weight_files import read, write_h5


def test_weights_of_keras_3(tmp_path: Path) -> None:
    kernel, bias, depthwise, up = random(3, 3, 2, 4), random(4), random(3, 3, 4, 2), random(2, 2, 5, 6)
    path = write_h5(
        tmp_path / "net.weights.h5",
        {
            "layers/conv2d_10/vars/0": kernel,
            "layers/conv2d_10/vars/1": bias,
            "layers/conv2d_2/vars/0": kernel,
            "layers/depthwise_conv2d/vars/0": depthwise,
            "layers/depthwise_conv2d/vars/1": random(8),
            "layers/conv2d_transpose/vars/0": up,
            "layers/conv2d_transpose/vars/1": random(5),
            "layers/separable_conv2d/vars/0": depthwise,
            "layers/separable_conv2d/vars/1": random(1, 1, 8, 8),
            "layers/separable_conv2d/vars/2": random(8),
            "block/layers/conv2d/vars/0": kernel,
            "layers/named/vars/0": kernel,
            "layers/dense/vars/0": random(4, 4),
            "optimizer/vars/2": kernel,
        },
    )
    with h5py.File(path, "r+") as file:
        file["layers/named/vars"].attrs["name"] = "stem"
        file["layers/conv2d_2/vars"].attrs["name"] = "conv2d_77"  # which Keras makes up, a new one each time
    banks = read(path, tmp_path / "work")
    assert list(banks) == [
        *("block_conv2d", "conv2d_2", "conv2d_10", "conv2d_transpose", "depthwise_conv2d", "stem"),
        *("separable_conv2d_depthwise", "separable_conv2d_pointwise"),
    ]
    np.testing.assert_array_equal(banks["conv2d_10"].weights, kernel.transpose(3, 2, 0, 1))
    np.testing.assert_array_equal(banks["conv2d_10"].bias, bias)
    by_channel = depthwise.transpose(2, 3, 0, 1).reshape(8, 1, 3, 3)
    np.testing.assert_array_equal(banks["depthwise_conv2d"].weights, by_channel)
    assert (banks["depthwise_conv2d"].groups, banks["separable_conv2d_depthwise"].bias) == (4, None)
    assert banks["separable_conv2d_pointwise"].bias is not None
    turned = banks["conv2d_transpose"]
    np.testing.assert_array_equal(turned.weights, up.transpose(2, 3, 0, 1))
    assert (turned.op, turned.in_channels, turned.bias is None) == ("ConvTranspose", 6, False)


def test_weights_of_older_keras_in_the_order_that_it_notes(tmp_path: Path) -> None:
    names = ["conv_b", "conv_a"]
    arrays = {f"model_weights/{n}/{n}/kernel:0": random(3, 3, 2, 4) for n in names}
    arrays |= {f"model_weights/{n}/{n}/bias:0": random(4) for n in names}
    arrays |= {"optimizer_weights/adam/conv_a_kernel_momentum": random(3, 3, 2, 4)}
    path = write_h5(tmp_path / "net.h5", arrays)
    with h5py.File(path, "r+") as file:
        file["model_weights"].attrs["layer_names"] = np.array(names, "S")
    banks = read(path, tmp_path / "work")
    assert list(banks) == names
    assert all(bank.bias is not None for bank in banks.values())
