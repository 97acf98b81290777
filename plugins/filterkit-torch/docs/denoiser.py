"""A small network that removes noise from pictures; ``python denoiser.py`` trains it in a minute or two."""

from __future__ import annotations

import torch
from torch import nn


class Denoiser(nn.Module):
    """Decomposes an RGB picture (0 to 1) into `filters` kinds of detail, and reconstructs it from them."""

    def __init__(self, filters: int = 32, size: int = 9) -> None:
        super().__init__()
        self.encode = nn.Conv2d(3, filters, size, padding=size // 2)
        self.relu = nn.ReLU()
        self.decode = nn.Conv2d(filters, 3, size, padding=size // 2)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        return self.decode(self.relu(self.encode(picture)))


def train(steps: int = 1500, noise: float = 0.1, decay: float = 1e-4) -> Denoiser:
    """Train it to remove noise from random patches of four photos included in scikit-image."""
    import numpy as np
    from skimage import data

    photos = [
        torch.tensor(getattr(data, name)() / np.float32(255)).permute(2, 0, 1)
        for name in ("astronaut", "chelsea", "coffee", "rocket")
    ]
    torch.manual_seed(0)
    network = Denoiser()
    with torch.no_grad():
        network.encode.weight.mul_(0.1)  # so that little of the initialization remains in the end
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    for step in range(steps):
        clean = torch.stack([_patch(photos[int(torch.randint(len(photos), ()))]) for _ in range(16)])
        loss = nn.functional.mse_loss(network(clean + noise * torch.randn_like(clean)), clean)
        optimizer.zero_grad()
        (loss + decay * network.encode.weight.square().sum()).backward()
        optimizer.step()
        if step % 300 == 0:
            print(step, loss.item())
    return network


def _patch(photo: torch.Tensor, size: int = 32) -> torch.Tensor:
    top = int(torch.randint(photo.shape[1] - size, ()))
    left = int(torch.randint(photo.shape[2] - size, ()))
    patch = photo[:, top : top + size, left : left + size]
    return patch if torch.rand(()) < 0.5 else patch.flip(2)


if __name__ == "__main__":
    torch.save(train().state_dict(), "denoiser.pt")
