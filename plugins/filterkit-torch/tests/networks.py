"""Networks that the tests export, each for one purpose."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def _learn(network: nn.Module) -> None:
    """Batch norms that are not the identity."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -1, 1)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.normal_(module.bias)


class Bottleneck(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs // 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs // 2)
        self.conv2 = nn.Conv2d(outputs // 2, outputs, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.downsample(x))


class ResNet(nn.Module):
    """Residual blocks with batch norms, and a dense head."""

    def __init__(self, classes: int = 10) -> None:
        print("this network talks")
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = nn.Sequential(Bottleneck(8, 16, 1), Bottleneck(16, 16, 1))
        self.layer2 = nn.Sequential(Bottleneck(16, 32, 2))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(32, classes)
        _learn(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        x = self.avgpool(self.layer2(self.layer1(x)))
        return self.fc(torch.flatten(x, 1))


class InvertedResidual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        wide = 3 * inputs
        self.expand = nn.Sequential(nn.Conv2d(inputs, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU6())
        self.depthwise = nn.Sequential(
            nn.Conv2d(wide, wide, 5, stride, 2, groups=wide, bias=False), nn.BatchNorm2d(wide), nn.Hardswish()
        )
        self.squeeze = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(wide, 4, 1), nn.ReLU(), nn.Conv2d(4, wide, 1), nn.Hardsigmoid()
        )
        self.project = nn.Sequential(nn.Conv2d(wide, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        self.skips = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.depthwise(self.expand(x))
        y = self.project(y * self.squeeze(y))
        return x + y if self.skips else y


class MobileNet(nn.Module):
    """Depthwise and grouped convolutions, squeeze and excitation, several activations."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1), nn.SiLU(), InvertedResidual(8, 8, 1), InvertedResidual(8, 12, 2)
        )
        self.mix = nn.Conv2d(12, 24, 3, padding=2, dilation=2, groups=4)
        self.classifier = nn.Sequential(nn.Dropout(0.5), nn.Linear(24, 5))
        _learn(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.mix(self.features(x)).mean((2, 3)))


class UNet(nn.Module):
    """Down, up by transposed convolutions and by interpolation, and skip connections."""

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        self.down1 = nn.Sequential(nn.Conv2d(channels, 8, 3, padding=1), nn.ReLU())
        self.down2 = nn.Sequential(nn.Conv2d(8, 16, 3, padding=1), nn.LeakyReLU(0.1))
        self.bottom = nn.Conv2d(16, 32, 3, padding="same")
        self.up2 = nn.ConvTranspose2d(32, 16, 2, 2)
        self.merge2 = nn.Conv2d(32, 16, 3, padding=1, padding_mode="reflect")
        self.up1 = nn.ConvTranspose2d(16, 8, 4, 2, 1, groups=2)
        self.head = nn.Conv2d(16, 2, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        one = self.down1(x)
        two = self.down2(F.max_pool2d(one, 2))
        deep = self.bottom(F.max_pool2d(two, 2))
        deep = F.relu(self.merge2(torch.cat([two, self.up2(deep)], 1)))
        deep = self.head(torch.cat([one, self.up1(deep)], 1))
        return {"logits": deep, "coarse": F.interpolate(deep, scale_factor=0.5)}


class Shared(nn.Module):
    """One convolution used twice, and one weight shared by two convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.twice = nn.Conv2d(3, 3, 3, padding=1)
        self.left = nn.Conv2d(3, 4, 3)
        self.right = nn.Conv2d(3, 4, 3)
        self.right.weight = self.left.weight

    def forward(self, x: Tensor) -> Tensor:
        x = self.twice(F.relu(self.twice(x)))
        return self.left(x) + self.right(x)


class Functional(nn.Module):
    """Convolutions with parameters, a buffer, a computed weight, and weight norm."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels = nn.ParameterList([torch.randn(4, 3, 3, 3), torch.randn(4, 4, 1, 1)])
        self.register_buffer("blur", torch.full((4, 1, 3, 3), 1 / 9))
        self.normed = nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 6, 3))
        self.scale = nn.Parameter(torch.rand(2, 6, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = F.conv2d(F.conv2d(x, self.kernels[0]), self.kernels[1])
        return F.conv2d(self.normed(F.conv2d(x, self.blur, groups=4)), self.scale * 2)


class FlattenHead(nn.Module):
    """Takes pictures of 32 × 32 only."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.fc = nn.Linear(4 * 32 * 32, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.conv(x).flatten(1))


class AdaptiveHead(nn.Module):
    """Takes pictures of any size, but ONNX cannot express how."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=4)
        self.pool = nn.AdaptiveAvgPool2d(7)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.conv(x))


class OnePicture(nn.Module):
    """Takes one picture at a time, of any size."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x.squeeze(0).unsqueeze(0))


class OneSize(OnePicture):
    """Takes one picture at a time, of one size."""

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[0] != 1 or tuple(x.shape[2:]) != (224, 224):
            raise ValueError("another size")
        return super().forward(x)


class Lines(nn.Module):
    """Takes lines of text: of one height and any width."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.fc = nn.Linear(4 * 32, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.conv(x).flatten(1, 2).transpose(1, 2))


class LinesByHand(Lines):
    """The same, but PyTorch accepts any height: only its exporter finds that there is one."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return x.mean(2) if x.shape[2] == 32 else F.interpolate(x, (32, x.shape[3])).mean(2)


class OneWidth(nn.Module):
    """Takes any picture, but ONNX can express only what it does with the height."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=4)
        self.pool = nn.AdaptiveAvgPool2d((None, 7))

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.conv(x))


class Undecided(nn.Module):
    """Control flow that depends on values, which no graph can express."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return y if y.sum() > 0 else -y


class Attention(nn.Module):
    """Attention over pixels, which PyTorch's older exporter does not support."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        pixels = self.conv(x).flatten(2).transpose(1, 2)
        return self.attention(pixels, pixels, pixels)[0]


class Conditioned(nn.Module):
    """A picture that follows another input."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.words = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(5, 4)

    def forward(self, condition: Tensor, x: Tensor) -> Tensor:
        return self.conv(x) + self.words(condition)[:, :, None, None]


class Text(nn.Module):
    """Letters, in any number."""

    def __init__(self) -> None:
        super().__init__()
        self.letters, self.conv = nn.Embedding(10, 8), nn.Conv1d(8, 4, 3)

    def forward(self, letters: Tensor) -> Tensor:
        return self.conv(self.letters(letters).transpose(1, 2))


class Signal(nn.Module):
    """One dimension, and lazy layers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(2, width, 9)
        self.lazy = nn.LazyConv1d(3, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.lazy(F.relu(self.conv(x)))


class Volume(nn.Module):
    """Three dimensions, of which 224 each would not fit into memory."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(2, 4, 3)
        self.up = nn.ConvTranspose3d(4, 2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.up(self.conv(x))


class Lazy(nn.Module):
    """Does not know its input shape before the first call."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.LazyConv2d(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


def brief() -> nn.Module:
    return ResNet().to(torch.bfloat16)


class Dense(nn.Module):
    """No convolution at all."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(224, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x)


class TwoInputs(Dense):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.fc(x + y)


def options(**given: object) -> dict[str, object]:
    return given


def fails() -> nn.Module:
    raise RuntimeError("no such luck\nand more of it")


ready = nn.Sequential(nn.Conv2d(1, 2, 3))
number = 7
