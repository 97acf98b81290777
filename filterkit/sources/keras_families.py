"""The networks of ``keras.applications``: input size and preprocessing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Mode = Literal["caffe", "tf", "torch", "raw"]


@dataclass(frozen=True, slots=True)
class Application:
    """One network of ``keras.applications``.

    Attributes
    ----------
    mode
        Preset in `PRESETS` that matches its ``preprocess_input``; ``"raw"``: the network preprocesses itself.
    size
        Height and width it was trained on, in pixels.
    """

    mode: Mode
    size: int


def _family(mode: Mode, sizes: Mapping[str, int]) -> dict[str, Application]:
    return {name: Application(mode, size) for name, size in sizes.items()}


def _of_size(names: str, size: int) -> dict[str, int]:
    return dict.fromkeys(names.split(), size)


APPLICATIONS: Mapping[str, Application] = {
    **_family("caffe", _of_size("VGG16 VGG19 ResNet50 ResNet101 ResNet152", 224)),
    **_family("tf", _of_size("ResNet50V2 ResNet101V2 ResNet152V2 MobileNet MobileNetV2 NASNetMobile", 224)),
    **_family("tf", _of_size("Xception InceptionV3 InceptionResNetV2", 299) | {"NASNetLarge": 331}),
    **_family("torch", _of_size("DenseNet121 DenseNet169 DenseNet201", 224)),
    **_family("raw", _of_size("MobileNetV3Small MobileNetV3Large", 224)),
    **_family("raw", _of_size("ConvNeXtTiny ConvNeXtSmall ConvNeXtBase ConvNeXtLarge ConvNeXtXLarge", 224)),
    **_family(
        "raw",
        {
            f"EfficientNetB{number}": size
            for number, size in enumerate((224, 240, 260, 300, 380, 456, 528, 600))
        },
    ),
    **_family("raw", {f"EfficientNetV2B{number}": size for number, size in enumerate((224, 240, 260, 300))}),
    **_family("raw", {"EfficientNetV2S": 384, "EfficientNetV2M": 480, "EfficientNetV2L": 480}),
}
"""By name. A test compares both fields with Keras."""
