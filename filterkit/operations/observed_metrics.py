"""Response metrics of plugins in an observation: chosen, run over maps, and turned into columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from filterkit.errors import FilterkitError, UnknownNameError, UsageError, check_text
from filterkit.responses.metric_summaries import MetricSummary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from filterkit.plugins.response_metric_contract import CheckedResponseMetric
    from filterkit.session import Session

    LeaveOut = Callable[[CheckedResponseMetric, FilterkitError], None]


class ObservedMetrics:
    """Runs metrics, and keeps what they keep of each layer. One that fails is left out from then on.

    Parameters
    ----------
    leave_out
        Called with a metric that failed, and its error.
    """

    def __init__(self, metrics: Sequence[CheckedResponseMetric], leave_out: LeaveOut) -> None:
        self.working = list(metrics)
        self._all = tuple(metrics)
        self._leave_out = leave_out
        self._summaries: dict[str, dict[str, MetricSummary]] = {}

    @property
    def specs(self) -> list[str]:
        """Those that work."""
        return [metric.spec for metric in self.working]

    @property
    def filled(self) -> list[str]:
        """The columns of those that work."""
        return [name for metric in self.working for name in metric.columns]

    @property
    def unmeasured(self) -> list[str]:
        """The columns of those that failed."""
        return [name for metric in self._all if metric not in self.working for name in metric.columns]

    def start(self, layer: str, stored: Mapping[str, MetricSummary]) -> None:
        """Continue with what is stored of a layer."""
        self._summaries[layer] = {spec: stored.get(spec) or MetricSummary() for spec in self.specs}

    def of(self, layer: str) -> dict[str, MetricSummary]:
        """What the metrics that work keep of a layer, by their specs."""
        return self._summaries[layer]

    def counts(self, layer: str) -> list[int]:
        """Over how many pictures each of them was run."""
        return [summary.pictures for summary in self._summaries[layer].values()]

    def add(self, layer: str, maps: NDArray[Any] | None, start: int) -> bool:
        """Run the metrics that were run over the first `start` pictures over the maps of the next ones.

        Returns whether there was any.
        """
        added = False
        for metric in tuple(self.working):
            summary = self._summaries[layer][metric.spec]
            if summary.pictures == start and maps is not None:
                try:
                    summary.add(metric, maps)
                except FilterkitError as error:
                    self._fail(metric, error)
                added = True
        return added

    def values(self, filters: Mapping[str, int]) -> dict[str, list[dict[str, Any]]]:
        """For each filter of each layer, its values by column; None where one is not defined.

        Parameters
        ----------
        filters
            How many filters each layer has.
        """
        from filterkit.catalog.metrics import plain

        found: dict[str, list[dict[str, Any]]] = {
            layer: [{} for _ in range(n)] for layer, n in filters.items()
        }
        for metric in tuple(self.working):
            try:
                of_metric = {
                    layer: metric.values(self._summaries[layer][metric.spec].arrays, count)
                    for layer, count in filters.items()
                }
            except FilterkitError as error:
                self._fail(metric, error)
                continue
            for layer, columns in of_metric.items():
                for name, array in columns.items():
                    for row, value in zip(found[layer], plain(array), strict=True):
                        row[name] = value
        return found

    def _fail(self, metric: CheckedResponseMetric, error: FilterkitError) -> None:
        self.working.remove(metric)
        for summaries in self._summaries.values():
            del summaries[metric.spec]
        self._leave_out(metric, error)


def chosen_metrics(
    session: Session,
    specs: str | Sequence[str] | None,
    row: Mapping[str, Any] | None,
    model: Mapping[str, Any],
) -> list[CheckedResponseMetric]:
    """The metrics that an observation has, and those asked for.

    Parameters
    ----------
    specs
        Those asked for; a text is one.
    row
        The observation, if it exists.
    model
        Its model, whose columns cannot be used.

    Raises
    ------
    UsageError
        There is no such metric, or a column has another owner.
    PluginError
        A plugin is broken.
    """
    from filterkit.catalog.observations import specs_of
    from filterkit.operations.plugins import hint_missing_plugins

    specs = [specs] if isinstance(specs, str) else list(specs or ())
    for spec in specs:
        check_text("a metric", spec)
    with hint_missing_plugins(session):
        asked = [session.registry.create("response-metric", spec) for spec in dict.fromkeys(specs)]
        found = {metric.spec: metric for metric in asked}
        for spec in specs_of(row):
            if spec not in found:
                found[spec] = _earlier(session, spec, str(row["name"]) if row else "")
    every = list(found.values())
    if every:
        _check_columns(session, every, model)
    return every


def _earlier(session: Session, spec: str, name: str) -> CheckedResponseMetric:
    try:
        return session.registry.create("response-metric", spec)
    except UnknownNameError as error:
        message = f"observation '{name}' has the metric {spec}, which is not installed"
        hint = "install its plugin, or choose another name with --name"
        raise UnknownNameError(message, name=error.name, hint=hint) from None


def _check_columns(
    session: Session, metrics: Sequence[CheckedResponseMetric], model: Mapping[str, Any]
) -> None:
    from filterkit.catalog.listings import searchable
    from filterkit.catalog.metrics import columns_of_all

    owners = dict.fromkeys(columns_of_all(session.registry.metrics()), "a metric of filters or layers")
    owners |= dict.fromkeys((*model["extra_metrics"], *model["extra_layer_metrics"]), f"{model['name']}")
    owners |= dict.fromkeys(searchable(), "filterkit itself")
    for metric in metrics:
        for column in metric.columns:
            if column in owners:
                raise UsageError(
                    f"the column '{column}' comes from {owners[column]} and from {metric}",
                    hint="leave one of them out, or choose another name with --name",
                )
            owners[column] = str(metric)
