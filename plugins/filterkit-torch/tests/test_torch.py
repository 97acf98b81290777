"""PyTorch networks through filterkit, compared with PyTorch itself, weight by weight and map by map."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import filterkit
import networks
import numpy as np
import onnx
import pytest
import torch
from filterkit.testing import check_source
from torch import nn

from filterkit_torch.request import parse
from filterkit_torch.source import TorchSource
from filterkit_torch.worker import answer

HERE = Path(__file__).parent
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d)
ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.SiLU, nn.Hardswish, nn.Hardsigmoid)


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)


@pytest.fixture
def bench(tmp_path: Path):
    with filterkit.open(tmp_path / "catalog.db") as opened:
        yield opened


def made(kind: type[nn.Module], **arguments: object) -> nn.Module:
    """The network as the source builds it."""
    torch.manual_seed(0)
    return kind(**arguments).eval()


def weights(network: nn.Module) -> dict[str, np.ndarray]:
    """Every convolution's weights, as O I H W."""
    found = {}
    for name, module in network.named_modules():
        if isinstance(module, CONVOLUTIONS):
            values = module.weight.detach().numpy()
            if isinstance(module, nn.ConvTranspose2d):
                inputs, outputs, *kernel = values.shape
                grouped = values.reshape(module.groups, inputs // module.groups, outputs, *kernel)
                values = grouped.swapaxes(1, 2).reshape(-1, inputs // module.groups, *kernel)
            found[name] = values
    return found


def assert_same_weights(bench: filterkit.Workbench, network: nn.Module) -> None:
    """Layer by layer: names, weights and biases."""
    expected = weights(network)
    assert {row["layer"] for row in bench.layers("net")} == set(expected)
    for layer, values in expected.items():
        np.testing.assert_array_equal(bench.bank(f"net/{layer}"), values, err_msg=layer)
        held, bias = bench.bias(f"net/{layer}"), network.get_submodule(layer).bias
        assert (held is None) == (bias is None), layer
        if bias is not None:
            np.testing.assert_array_equal(held, bias.detach().numpy(), err_msg=layer)


def maps(network: nn.Module, picture: np.ndarray, at: str = "pre") -> dict[str, np.ndarray]:
    """The output of every convolution, or of the activation module after it, from forward hooks."""
    hooked = dict(network.named_modules())
    if at == "pre":
        hooked = {name: module for name, module in hooked.items() if isinstance(module, CONVOLUTIONS)}
    else:
        hooked = {
            name: last
            for block, modules in hooked.items()
            if isinstance(modules, nn.Sequential)
            for name, last in followed(block, modules)
        }
    seen: dict[str, np.ndarray] = {}
    for name, module in hooked.items():
        module.register_forward_hook(lambda _, __, out, name=name: seen.update({name: out[0].numpy()}))
    with torch.no_grad():
        network(torch.tensor(picture))
    return seen


def followed(block: str, modules: nn.Sequential) -> Iterator[tuple[str, nn.Module]]:
    """Every convolution followed by an activation, possibly after a batch norm, with that activation."""
    name = ""
    for index, module in enumerate(modules):
        if isinstance(module, CONVOLUTIONS):
            name = f"{block}.{index}"
        elif not isinstance(module, nn.BatchNorm2d):
            if name and isinstance(module, ACTIVATIONS):
                yield name, module
            name = ""


def assert_same_maps(bench: filterkit.Workbench, network: nn.Module, channels: int, at: str = "pre") -> None:
    picture = np.random.default_rng(0).random((1, channels, 72, 104), np.float32)
    expected = maps(network, picture, at)
    assert expected
    answered = bench.feature_maps("net", inputs={"x": picture}, at=at, provider="cpu").maps
    for layer, values in expected.items():
        np.testing.assert_allclose(answered[layer], values, atol=1e-4, err_msg=f"{layer} {at}")


def export(ref: str, folder: Path) -> filterkit.FetchedModel:
    """Does the work of the source's process in this one."""
    request = parse(ref, folder)
    done = answer(request)
    assert done.message is None, done.message
    return filterkit.FetchedModel(Path(request.onnx), ref, layer_names=done.layer_names)


def refusal(ref: str, folder: Path) -> str:
    done = answer(parse(ref, folder))
    assert done.message is not None
    assert "\n" not in f"{done.message}{done.hint}"
    return f"{done.message} | {done.hint}"


def input_shape(fetched: filterkit.FetchedModel) -> tuple[int | str | None, ...]:
    import onnx

    graph = filterkit.GraphView(onnx.load(fetched.onnx_path), fetched.onnx_path)
    return graph.inputs[0].shape


@pytest.mark.parametrize(
    ("kind", "channels", "places"),
    [
        (networks.ResNet, 3, ["pre"]),  # its activations are functions
        (networks.MobileNet, 3, ["pre", "post"]),
        (networks.UNet, 1, ["pre", "post"]),
    ],
)
def test_weights_and_maps_are_those_of_pytorch(
    kind: type[nn.Module],
    channels: int,
    places: list[str],
    bench: filterkit.Workbench,
    capfd: pytest.CaptureFixture[str],
) -> None:
    bench.add(f"torch:networks:{kind.__name__}?input={channels}x64x64", name="net")
    assert capfd.readouterr() == ("", "")
    network = made(kind)
    assert_same_weights(bench, network)
    for at in places:
        assert_same_maps(bench, network, channels, at)


@pytest.mark.parametrize("compiled", [False, True])
def test_bfloat16_becomes_float32(compiled: bool, tmp_path: Path, bench: filterkit.Workbench) -> None:
    network = made(networks.brief)
    assert network.conv1.weight.dtype == torch.bfloat16
    if compiled:
        torch.jit.script(network).save(tmp_path / "brief.pt")
    ref = f"{tmp_path / 'brief.pt'}?input=3x64x64" if compiled else "networks:brief?input=3x64x64"
    bench.add(f"torch:{ref}", name="net")
    [model] = bench.query("SELECT origin FROM model")
    assert ", its bfloat16 numbers as float32, exported by PyTorch" in model["origin"]
    assert_same_weights(bench, network.float())
    assert_same_maps(bench, network, 3)


def test_the_same_seed_makes_the_same_model(tmp_path: Path) -> None:
    def content(ref: str) -> bytes:
        return export(ref, tmp_path).onnx_path.read_bytes()

    first = content("networks:UNet?input=1x32x32")
    assert content("networks:UNet?input=1x32x32&seed=0") == first
    assert content("networks:UNet?input=1x32x32&seed=1") != first
    assert b"networks.py" not in first, "nothing of the machine that made it"


def test_conformance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Includes the weights that importing the module creates: they are the same each time."""
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    check_source(TorchSource, "networks:ready?input=1x32x32", wrong=["networks:Nothing", "net.pt", "net"])


def test_a_convolution_without_bias_has_none(tmp_path: Path, bench: filterkit.Workbench) -> None:
    bench.add(str(export("networks:ResNet?input=3x64x64", tmp_path).onnx_path), name="net")
    assert all(row["bias"] is None for row in bench.filters("net"))
    first = next(row for row in bench.layers("net") if row["layer"] == "conv1")
    assert first["activation"] == "relu"


def test_sizes_are_free_where_the_network_is(tmp_path: Path) -> None:
    assert input_shape(export("networks:UNet?input=1x64x64", tmp_path)) == ("N", 1, "H", "W")
    assert input_shape(export("networks:FlattenHead?input=1x32x32", tmp_path)) == ("N", 1, 32, 32)
    assert input_shape(export("networks:AdaptiveHead", tmp_path)) == ("N", 3, 224, 224)
    assert input_shape(export("networks:Signal?width=4", tmp_path)) == ("N", 2, "W")


@pytest.mark.parametrize(
    ("ref", "shape"),
    [
        ("OnePicture", (1, 3, "H", "W")),
        ("OneSize", (1, 3, 224, 224)),
        ("Lines?input=1x32x64", ("N", 1, 32, "W")),
        ("LinesByHand?input=1x32x64", ("N", 1, 32, "W")),
        ("OneWidth?input=3x64x64", ("N", 3, "H", 64)),
    ],
)
def test_each_axis_is_free_for_itself(ref: str, shape: tuple[int | str, ...], tmp_path: Path) -> None:
    fetched = export(f"networks:{ref}", tmp_path)
    assert input_shape(fetched) == shape
    assert list(tmp_path.iterdir()) == [fetched.onnx_path], "nothing is left of what was tried"
    assert "conv" in (fetched.layer_names or {}).values()


@pytest.mark.parametrize("free", [True, False])
def test_torchscript_of_one_height(free: bool, tmp_path: Path) -> None:
    network = made(networks.Lines if free else networks.FlattenHead)
    torch.jit.script(network).save(tmp_path / "lines.pt")
    fetched = export(f"{tmp_path / 'lines.pt'}?input=1x32x{64 if free else 32}", tmp_path)
    assert input_shape(fetched) == ("N", 1, 32, "W" if free else 32)


def test_sizes_are_assumed_by_the_number_of_axes(tmp_path: Path) -> None:
    assert input_shape(export("networks:Volume", tmp_path)) == ("N", 2, "D", "H", "W")
    assert input_shape(export("networks:Lazy", tmp_path)) == ("N", 3, "H", "W")


def test_layers_that_share_a_weight(tmp_path: Path) -> None:
    fetched = export("networks:Shared?input=3x32x32", tmp_path)
    assert list((fetched.layer_names or {}).values()) == ["twice", "twice", "left", "right"]


def test_convolutions_that_are_no_modules(tmp_path: Path) -> None:
    fetched = export("networks:Functional?input=3x32x32", tmp_path)
    assert set((fetched.layer_names or {}).values()) >= {"kernels.0", "kernels.1", "blur", "normed"}


def test_a_network_without_convolutions(tmp_path: Path, bench: filterkit.Workbench) -> None:
    fetched = export("networks:Dense", tmp_path)
    assert list((fetched.layer_names or {}).values()) == ["fc"]
    with pytest.raises(filterkit.ModelError, match="no convolution"):
        bench.add(str(fetched.onnx_path))


def test_a_module_that_is_there_already_is_taken(tmp_path: Path) -> None:
    assert input_shape(export("networks:ready?input=1x32x32", tmp_path)) == ("N", 1, "H", "W")


def test_an_exported_program(tmp_path: Path, bench: filterkit.Workbench) -> None:
    network = made(networks.UNet)
    program = torch.export.export(network, (torch.zeros(1, 1, 32, 32),))
    torch.export.save(program, tmp_path / "unet.pt2")
    bench.add(f"torch:{tmp_path / 'unet.pt2'}", name="net")
    assert_same_weights(bench, network)
    [model] = bench.models()
    assert model["input_shape"] == [1, 1, 32, 32]


def test_free_sizes_of_a_program_are_called_as_all_others(tmp_path: Path) -> None:
    def shape(free: dict[int, object]) -> tuple[int | str | None, ...]:
        network = made(networks.Shared)
        program = torch.export.export(network, (torch.zeros(2, 3, 32, 32),), dynamic_shapes=(free,))
        torch.export.save(program, tmp_path / "free.pt2")
        return input_shape(export(str(tmp_path / "free.pt2"), tmp_path))

    dim = torch.export.Dim
    assert shape({0: dim("batch"), 2: dim.AUTO, 3: dim.AUTO}) == ("N", 3, "H", "W")
    assert shape({3: dim.AUTO}) == (2, 3, 32, "W")
    side = dim("side", min=8)
    assert shape({2: side, 3: side}) == (2, 3, "H", "H"), "always as high as wide"


def test_free_sizes_of_programs_of_other_inputs(tmp_path: Path) -> None:
    def shapes(
        network: type[nn.Module], inputs: tuple[torch.Tensor, ...], free: object
    ) -> list[list[str | int]]:
        program = torch.export.export(made(network), inputs, dynamic_shapes=free)
        torch.export.save(program, tmp_path / "other.pt2")
        graph = onnx.load(export(str(tmp_path / "other.pt2"), tmp_path).onnx_path).graph
        axes = [value.type.tensor_type.shape.dim for value in graph.input]
        return [[axis.dim_param or axis.dim_value for axis in each] for each in axes]

    auto = torch.export.Dim.AUTO
    picture = torch.zeros(2, 3, 16, 18)
    shown = shapes(
        networks.Conditioned, (torch.zeros(2, 5), picture), ({0: auto}, {0: auto, 2: auto, 3: auto})
    )
    assert shown == [["N", 5], ["N", 3, "H", "W"]], "the picture need not be the first"
    ((batch, length),) = shapes(networks.Text, (torch.zeros(2, 12, dtype=torch.long),), ({0: auto, 1: auto},))
    assert batch == "N"
    assert length != "C", "no channels are free"


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_torchscript_that_cannot_be_exported_names_what_can(tmp_path: Path) -> None:
    network = made(networks.Attention)
    sample = torch.zeros(1, 3, 16, 16)
    torch.jit.trace(network, sample, check_trace=False).save(tmp_path / "attention.pt")
    said = refusal(f"{tmp_path / 'attention.pt'}?input=3x16x16", tmp_path)
    assert "PyTorch cannot export attention.pt: " in said
    assert "torch:MODULE:CALLABLE, or save it with torch.export as a .pt2" in said
    torch.export.save(torch.export.export(network, (sample,)), tmp_path / "attention.pt2")
    assert "conv" in (export(str(tmp_path / "attention.pt2"), tmp_path).layer_names or {}).values()


@pytest.mark.parametrize("way", ["script", "trace"])
def test_torchscript(way: str, tmp_path: Path, bench: filterkit.Workbench) -> None:
    network = made(networks.ResNet)
    sample = torch.zeros(1, 3, 64, 64)
    compiled = torch.jit.script(network) if way == "script" else torch.jit.trace(network, sample)
    compiled.save(tmp_path / "resnet.pt")
    fetched = export(f"{tmp_path / 'resnet.pt'}?input=3x64x64", tmp_path)
    assert input_shape(fetched) == ("N", 3, "H", "W")
    bench.add(str(fetched.onnx_path), name="net")
    assert_same_weights(bench, network)


def test_a_checkpoint_fills_a_network(tmp_path: Path) -> None:
    import onnx
    from onnx import numpy_helper

    torch.manual_seed(5)
    network = networks.UNet()
    wrapped = {f"module.{key}": value for key, value in network.state_dict().items()}
    torch.save({"state_dict": wrapped, "epoch": 3}, tmp_path / "trained.pt")
    fetched = export(f"networks:UNet?input=1x32x32&checkpoint={tmp_path / 'trained.pt'}", tmp_path)
    held = {each.name: each for each in onnx.load(fetched.onnx_path).graph.initializer}
    stored = numpy_helper.to_array(held["bottom.weight"])
    np.testing.assert_array_equal(stored, network.bottom.weight.detach().numpy())


def test_a_checkpoint_runs_no_code(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    torch.save({"state_dict": Trap()}, tmp_path / "trap.pt")
    for ref in (f"networks:UNet?checkpoint={tmp_path / 'trap.pt'}", f"{tmp_path / 'trap.pt'}"):
        said = refusal(ref, tmp_path)
        assert "trap.pt is not a file of weights only: it contains " in said
        assert "weights_only" not in said  # PyTorch itself says how to run it anyway
    assert not (tmp_path / "sprung").exists()


def test_weights_that_are_not_the_networks(tmp_path: Path) -> None:
    torch.save(networks.Shared().state_dict(), tmp_path / "other.pt")
    said = refusal(f"networks:UNet?checkpoint={tmp_path / 'other.pt'}", tmp_path)
    assert (
        "do not match networks:UNet: 14 missing (bottom.bias, bottom.weight, …), 6 unknown (left.bias" in said
    )
    torch.save(networks.UNet(channels=3).state_dict(), tmp_path / "rgb.pt")
    assert "size mismatch for down1.0.weight" in refusal(
        f"networks:UNet?checkpoint={tmp_path / 'rgb.pt'}", tmp_path
    )
    assert "torch:MODULE:CALLABLE?checkpoint=rgb.pt" in refusal(f"{tmp_path / 'rgb.pt'}", tmp_path)


@pytest.mark.parametrize(
    ("ref", "words"),
    [
        ("nowhere:Net", "there is no Python module 'nowhere'"),
        ("networks.inner:Net", "there is no Python module 'networks.inner'"),
        ("quits:Net", "importing quits failed: SystemExit: goodbye"),
        ("networks:Nothing", "networks has no 'Nothing' | it has Bottleneck, ResNet"),
        ("networks:Signal", "missing a required argument: 'width'"),
        ("networks:Signal", "its arguments are width"),
        ("networks:UNet?chanels=3", "unexpected keyword argument 'chanels'"),
        ("networks:options?a=1", "type dict, not a torch.nn.Module"),
        ("networks:number", "type int, which is not callable"),
        ("networks:fails", "calling networks:fails failed: RuntimeError: no such luck"),
        ("networks:UNet?input=3x64x64", "does not accept an input of 3×64×64: RuntimeError"),
        ("networks:TwoInputs", "does not accept an input of 3×224×224"),
        ("networks:Undecided", "PyTorch cannot export networks:Undecided: GuardOnDataDependentSymNode"),
    ],
)
def test_what_cannot_be_exported_is_reported_in_one_line(ref: str, words: str, tmp_path: Path) -> None:
    assert words in refusal(ref, tmp_path)


@pytest.mark.parametrize(
    ("ref", "words"),
    [
        ("", "does not name a PyTorch network"),
        ("networks", "torch:MODULE:CALLABLE"),
        ("networks:", "torch:MODULE:CALLABLE"),
        ("networks:UNet?input=3x0", "input=3x224x224"),
        ("networks:UNet?seed=-1", "whole number"),
        ("net.pt2?input=3x8x8", "no option 'input'"),
        ("net.pt?seed=3", "no option 'seed'"),
        ("net.pt", "there is no file 'net.pt'"),
        ("networks:UNet?checkpoint=net.pt", "there is no file 'net.pt'"),
    ],
)
def test_invalid_refs_are_reported_before_anything_runs(ref: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(filterkit.FilterkitError) as caught:
        parse(ref, tmp_path)
    assert words in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("suffix", [".pt", ".pt2"])
def test_files_that_are_broken(suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"broken{suffix}").write_bytes(b"nothing of that kind")
    assert f"broken{suffix}" in refusal(str(tmp_path / f"broken{suffix}"), tmp_path)


def test_errors_of_the_process_reach_the_user(bench: filterkit.Workbench) -> None:
    with pytest.raises(filterkit.UsageError, match="missing a required argument"):
        bench.add("torch:networks:Signal")
    assert not list(Path(bench.location).parent.glob("*.db"))


def test_arguments_are_values() -> None:
    from filterkit_torch.loading import _value

    texts = ["3", "0.5", "True", "false", "none", "[1, 2]", "DEFAULT", "'3'"]
    assert [_value(text) for text in texts] == [3, 0.5, True, False, None, [1, 2], "DEFAULT", "3"]
