"""SmoothGrad: the mean over noisy copies, whatever part of the picture is computed."""

from __future__ import annotations

import numpy as np
import pytest
from small_cnn import PIXELS, close, picture, torch_network

import filterkit
from filterkit.errors import UsageError


def test_it_is_the_mean_gradient_of_noisy_copies(cnn: filterkit.Workbench) -> None:
    torch = pytest.importorskip("torch")
    noise = np.random.default_rng(7).standard_normal((5, 3, 40, 48), dtype=np.float32)
    scale = 0.1 * float(np.ptp(PIXELS / 255))
    given = (picture() + torch.tensor(scale * noise)).requires_grad_()
    torch_network()(given)[:, 2].sum().backward()
    found = cnn.attribute("cnn@0:2", PIXELS, method="smoothgrad:samples=5,noise=0.1,seed=7")
    close(found.array, given.grad.mean(axis=0))


def test_without_noise_it_is_the_gradient(cnn: filterkit.Workbench) -> None:
    found = cnn.attribute("cnn/conv2/3", PIXELS, method="smoothgrad:samples=3,noise=0")
    close(found.array, cnn.attribute("cnn/conv2/3", PIXELS).array, 1e-6)


def test_the_seed_decides(cnn: filterkit.Workbench) -> None:
    first, again, other = (
        cnn.attribute("cnn/conv2/3", PIXELS, method=f"smoothgrad:samples=3,seed={seed}").array
        for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("options", ["samples=0", "samples=10001", "noise=-1", "noise=nan", "noise=inf"])
def test_options_are_checked(cnn: filterkit.Workbench, options: str) -> None:
    with pytest.raises(UsageError):
        cnn.attribute("cnn/conv2/3", PIXELS, method=f"smoothgrad:{options}")
