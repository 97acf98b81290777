"""Prepare the network of a target for attribution: its excerpt, branches, random weights, input, layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from filterkit.errors import NotFoundError, RuntimeFailure, closest
from filterkit.operations.maps import NOT_TAKEN

if TYPE_CHECKING:
    from pathlib import Path

    import onnx
    from numpy.typing import NDArray

    from filterkit.graph.axes.crops import Crops
    from filterkit.graph.gradient.gradient import Rules
    from filterkit.operations.targets import Aim
    from filterkit.records import Preprocessing, RunOptions
    from filterkit.runtime.differentiable import Differentiable
    from filterkit.runtime.network import Network, Target
    from filterkit.runtime.onnx_session import Input
    from filterkit.session import Session


@dataclass(frozen=True, slots=True)
class AttributeOptions:
    """What `Workbench.iter_attributions` takes besides target, pictures and `RunOptions`."""

    method: str = "gradient"
    position: str | Sequence[int] = "max"
    rules: Sequence[str] = ()
    randomize: str | None = None
    seed: int = 0
    after_softmax: bool = False


class AttributedNetwork:
    """The network that ends at a target; sessions stay open with those of the `Session`.

    Attributes
    ----------
    path
        The file of the model.
    network
        Computes the target alone, and prepares pictures.
    """

    def __init__(
        self,
        session: Session,
        aim: Aim,
        preprocessing: Preprocessing,
        asked: AttributeOptions,
        options: RunOptions,
    ) -> None:
        from filterkit.catalog.weights import model_file
        from filterkit.runtime.feature_maps import open_network

        self._session, self._aim, self._preprocessing = session, aim, preprocessing
        self._asked, self._options = asked, options
        self._rules: Rules = session.registry.gradient_rules(asked.rules)
        self.path: Path = model_file(session.catalog(), aim.model).resolve()
        self._key = ("gradient", self.path, aim.target, asked.randomize, asked.seed, tuple(asked.rules))
        self._cuts = session.catalog().store.cuts_path(aim.model["sha256"])
        self.network: Network = open_network(
            self.path,
            [aim.target],
            picture_input=aim.model["input_name"],
            layout=aim.model["input_layout"],
            options=options,
            cache_dir=self._cuts,
            opened=session.networks,
        )

    def differentiable(self, taken: Input, fed: NDArray[Any]) -> tuple[Differentiable, Crops]:
        """The network for a picture, and its crops; kept for pictures of the same size.

        Parameters
        ----------
        taken, fed
            From `Network.prepared`.
        """
        known = self._session.differentiable
        added = (self._aim.model["name"], self._aim.model["added_at"], self._preprocessing.layout)
        key = (*self._key, *added, self._options.provider, self._options.threads, taken, fed.shape)
        found: tuple[Differentiable, Crops] | None = known.find(key)
        if found is None:
            found = self._differentiable(taken, fed)
            if found[0].opened is self._session.networks:
                known.add(key, found)
        return found

    def _differentiable(self, taken: Input, fed: NDArray[Any]) -> tuple[Differentiable, Crops]:
        from filterkit.attribution.randomized import randomized
        from filterkit.graph.axes.crops import Crops
        from filterkit.graph.view.view import GraphView
        from filterkit.runtime.differentiable import Differentiable, Entry, float_input
        from filterkit.runtime.network import Target
        from filterkit.runtime.network_cache import OpenNetworks

        aim, asked = self._aim, self._asked
        model, name = self._model()
        opened = self._session.networks
        if any(node.op_type == "If" for node in model.graph.node):
            model, name = self._without_branches(model, name, {taken.name: fed})
            opened = OpenNetworks()  # which branches are taken depends on the picture
        if asked.randomize is not None:
            model = randomized(model, self.path, self._tensor_to_randomize(asked.randomize), asked.seed)
        is_float = float_input(model, taken.name)
        computed = {name for node in model.graph.node for name in node.output}
        layers = {
            Target(row["name"], row["post_tensor"], row["post_layout"]): row["post_tensor"]
            for row in self._rows
            if not row["scope"] and row["spatial_rank"] == 2 and row["post_tensor"] in computed
        }
        layout = self._preprocessing.layout
        count = taken.shape[layout.index("N")]
        entry = Entry(
            taken.name,
            layout,
            "float32" if is_float else taken.dtype,
            count if isinstance(count, int) else None,
        )
        network = Differentiable(
            model=model,
            tensors=layers | {aim.target: name},
            target=aim.target,
            channels=None,
            rules=self._rules,
            entry=entry,
            path=self.path,
            options=self._options,
            opened=opened,
            key=self._key,
        )
        return network, Crops(GraphView(model, self.path), taken.name, layout, fed.shape)

    @cached_property
    def _rows(self) -> list[Mapping[str, Any]]:
        """The layers of the model."""
        return [match.layer for match in self._session.matches(self._aim.model["name"])]

    def layers(self, network: Differentiable, crops: Crops) -> dict[str, Target]:
        """The layers before the target with more than one position, by name."""
        found = {}
        for layer in network.tensors:
            size = crops.size(layer.tensor) or ()
            places = [each for each, letter in zip(size, layer.layout, strict=False) if letter not in "NC"]
            if layer.layer != self._aim.target.layer and any(each != 1 for each in places):
                found[layer.layer] = layer
        return found

    def _model(self) -> tuple[onnx.ModelProto, str]:
        """The model, and the name of the target in it."""
        from filterkit.graph.excerpt.external_data import refer
        from filterkit.graph.loading.load import load_model
        from filterkit.runtime.feature_maps import excerpt_of

        aim = self._aim
        if aim.target.scope:  # an excerpt would have the whole If
            model = load_model(self.path)
            refer(model, self.path)
            return model, aim.target.tensor
        part = excerpt_of(
            self.path,
            [aim.target.wanted],
            picture_input=aim.model["input_name"],
            layout=aim.model["input_layout"],
            cache_dir=self._cuts,
        )
        return part.model, part.tensors[aim.target.wanted]

    def _without_branches(
        self, model: onnx.ModelProto, name: str, inputs: Mapping[str, NDArray[Any]]
    ) -> tuple[onnx.ModelProto, str]:
        from filterkit.runtime.differentiable import without_branches

        wanted = self._aim.target.wanted
        model, names = without_branches(model, inputs, self._options, self.path.parent)
        if wanted.scope and wanted not in names:
            raise RuntimeFailure(f"{self._aim.name} did not run: {NOT_TAKEN}", hint="use another picture")
        return model, names[wanted] if wanted.scope else name

    def _tensor_to_randomize(self, layer: str) -> str:
        """The output of a layer; raises NotFoundError."""
        for row in self._rows:
            if row["name"] == layer:
                return str(row["pre_tensor"])
        names = [row["name"] for row in self._rows]
        raise NotFoundError(
            f"{self._aim.model['name']} has no layer '{layer}' to randomize", hint=closest(layer, names)
        )
