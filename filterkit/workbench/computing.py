"""Networks and filters, run on pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from filterkit.errors import ImageError, UsageError
from filterkit.workbench.base import Bench

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.runtime.pictures import Picture
    from filterkit.workbench.running import At
    from filterkit.workbench.views import FeatureMaps


class Computing(Bench):
    """Feature maps and convolutions, through ONNX Runtime."""

    def feature_maps(
        self,
        address: str,
        image: Picture | None = None,
        *,
        inputs: Mapping[str, NDArray[Any]] | str | os.PathLike[str] | None = None,
        at: At = "post",
        size: str | None = None,
        provider: str = "auto",
        threads: int | None = None,
    ) -> FeatureMaps:
        """What layers answer to one picture; the parameters are those of `iter_feature_maps`.

        Returns
        -------
        FeatureMaps
            ``.maps`` from layer to array (channels, height, width); ``numpy.asarray`` where it is one layer.
        """
        images = [] if image is None else [image]
        [maps] = self.iter_feature_maps(
            address, images, inputs=inputs, at=at, size=size, provider=provider, threads=threads
        )
        return maps

    def iter_feature_maps(
        self,
        address: str,
        images: Iterable[Picture] = (),
        *,
        inputs: Mapping[str, NDArray[Any]] | str | os.PathLike[str] | None = None,
        at: At = "post",
        size: str | None = None,
        provider: str = "auto",
        threads: int | None = None,
        unreadable: Callable[[ImageError], None] | None = None,
    ) -> Iterator[FeatureMaps]:
        """What layers answer to pictures, one picture after the other; few are in memory at a time.

        A layer in the branch of an If answers where the input leads there; a layer in the body of a Loop or a
        Scan has no one answer. What does not answer is left out, and ``left_out`` of the results says why.

        Parameters
        ----------
        address
            Layers and filters of one model; the model's name alone means all its layers.
        images
            Picture files, folders of them, PIL images or arrays (H, W) or (H, W, 3).
        inputs
            Instead of pictures: the graph's own inputs, by name, as arrays or as an ``.npz`` file.
        at
            ``"post"``: after the activation; ``"pre"``: the convolution's own output.
        size
            ``"224"``, ``"240x320"`` (height × width) or ``"original"``; None takes the model's nominal size.
        provider
            ``"auto"``, ``"cpu"`` or ``"cuda"``.
        threads
            CPU threads; None leaves it to ONNX Runtime.
        unreadable
            Told of each of several pictures that cannot be read, which is then left out; None raises instead.

        Raises
        ------
        ImageError, RuntimeFailure, NotFoundError, UsageError
            The picture, the network or the address do not fit.
        """
        from filterkit.catalog.weights import model_file
        from filterkit.workbench import running
        from filterkit.workbench.misplaced import in_order

        with in_order("maps", address, images, self._matches):
            matches = self._matches(address)
        if len({match.model["name"] for match in matches}) > 1:
            raise UsageError(f"'{address}' names several models", hint="run one model at a time")
        if any(len(match.kernels) * match.layer["filters"] < match.layer["kernels"] for match in matches):
            raise UsageError(
                "a feature map is what a whole filter answers; it has no kernels to choose",
                hint=f"filterkit convolve {address} slides one kernel over a picture",
            )
        running.check_network(matches[0])
        labels = self._chosen_labels(matches)
        return running.feature_maps(
            matches,
            model_file(self.catalog(), matches[0].model),
            {match.layer["name"]: names for match, names in zip(matches, labels, strict=True)},
            images,
            inputs=inputs,
            at=at,
            size=size,
            provider=provider,
            threads=threads,
            unreadable=unreadable,
            kept=self.catalog().store.cuts_path(matches[0].model["sha256"]),
        )

    def convolve(
        self,
        address: str,
        image: Picture,
        *,
        per_channel: bool = False,
        size: str | None = "original",
        provider: str = "auto",
        threads: int | None = None,
    ) -> FeatureMaps:
        """Slide filters of one layer over a picture, as one Conv node.

        Filters that take a picture's channels are slid as their layer slides them, over the picture as their
        model reads it, bias included. One kernel, or a filter with a single channel, is slid over the
        picture's gray values (0 to 1), or over R, G and B apart.

        Parameters
        ----------
        per_channel
            Slide a single kernel over red, green and blue, giving three maps.
        size
            As in `iter_feature_maps`, but the picture's own size by default.

        Returns
        -------
        FeatureMaps
            One map per filter, or one per channel of the picture: (maps, height, width).

        Raises
        ------
        ImageError, RuntimeFailure, NotFoundError, UsageError
            The picture, the filters or the address do not fit.
        """
        from filterkit.workbench import convolving
        from filterkit.workbench.misplaced import in_order

        with in_order("convolve", address, [image], self._matches):
            match = self._one(address, "convolve takes filters of one layer")
        return convolving.convolve(
            match,
            self._weights(match),
            self._bias(match),
            self._chosen_labels([match])[0],
            image,
            per_channel=per_channel,
            size=size,
            provider=provider,
            threads=threads,
        )
