"""The networks of ``keras.applications``: how large their pictures are, and what their pixels become."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from filterkit.records import Preprocessing

Mode = Literal["caffe", "tf", "torch", "raw"]


@dataclass(frozen=True, slots=True)
class Application:
    """One network of ``keras.applications``.

    Attributes
    ----------
    mode
        What its ``preprocess_input`` does, in Keras's own words; ``"raw"`` where the network does it itself.
    size
        Height and width it was trained on, in pixels.
    """

    mode: Mode
    size: int


def _family(mode: Mode, sizes: Mapping[str, int]) -> dict[str, Application]:
    return {name: Application(mode, size) for name, size in sizes.items()}


def _alike(names: str, size: int) -> dict[str, int]:
    return dict.fromkeys(names.split(), size)


APPLICATIONS: Mapping[str, Application] = {
    **_family("caffe", _alike("VGG16 VGG19 ResNet50 ResNet101 ResNet152", 224)),
    **_family("tf", _alike("ResNet50V2 ResNet101V2 ResNet152V2 MobileNet MobileNetV2 NASNetMobile", 224)),
    **_family("tf", _alike("Xception InceptionV3 InceptionResNetV2", 299) | {"NASNetLarge": 331}),
    **_family("torch", _alike("DenseNet121 DenseNet169 DenseNet201", 224)),
    **_family("raw", _alike("MobileNetV3Small MobileNetV3Large", 224)),
    **_family("raw", _alike("ConvNeXtTiny ConvNeXtSmall ConvNeXtBase ConvNeXtLarge ConvNeXtXLarge", 224)),
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
"""By name. A test holds both to what Keras does."""


def preprocessing_of(mode: Mode, size: int) -> Preprocessing:
    """What `mode` means for pixels 0..255 of an R, G, B picture, at `size` pixels each way.

    The formulas are those of ``keras.applications.imagenet_utils.preprocess_input``.
    """
    match mode:
        case "caffe":
            return Preprocessing("BGR", "NHWC", (size, size), mean=(103.939, 116.779, 123.68))
        case "tf":
            return Preprocessing("RGB", "NHWC", (size, size), scale=1 / 127.5, mean=(1.0, 1.0, 1.0))
        case "torch":
            mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
            return Preprocessing("RGB", "NHWC", (size, size), scale=1 / 255, mean=mean, std=std)
        case "raw":
            return Preprocessing("RGB", "NHWC", (size, size))
