"""``filterkit add``: add a model to the catalog."""

from __future__ import annotations

from typing import Annotated

import typer

from filterkit.cli.shell import Shell, command
from filterkit.cli.support.shared_options import complete_extractor, complete_ref
from filterkit.settings import ADD_SECONDS

BRIEF = ("model", "layers", "filters", "kernels", "parameters", "skipped")
STATUS_MESSAGES = {
    "added": "added {model}",
    "replaced": "replaced {model}",
    "unchanged": "{model} is already in the catalog with the same content: nothing changed",
    "restored": "{model} is already in the catalog: restored its missing weights in the store",
}


@command
def add(
    shell: Shell,
    ref: Annotated[
        str,
        typer.Argument(
            help="An ONNX file, a name from `filterkit zoo` (vgg16), classic, keras:VGG16, weights:FILE, "
            "wheel:… or a plugin's reference.",
            autocompletion=complete_ref,
        ),
    ],
    name: Annotated[
        str | None, typer.Option(help="Name of the model in the catalog (default: derived from REF).")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace an existing model of the same name.")
    ] = False,
    preprocessing: Annotated[
        str | None,
        typer.Option(
            help="Preprocessing that the model expects: caffe, torch, tf, raw, unit or gray, with options, "
            "e.g. torch:size=224, unit:input=NAME,layout=NHWC or unit:channels=RGBA (default: as given by "
            "the model source)."
        ),
    ] = None,
    fold_batchnorm: Annotated[
        bool,
        typer.Option(
            "--fold-batchnorm",
            help="Fold batch normalization into the filters before it, and store these effective filters.",
        ),
    ] = False,
    extractor: Annotated[
        list[str] | None,
        typer.Option(
            help="Weight extractor that finds the layers; repeatable, e.g. --extractor convolution "
            "--extractor dense (default: convolution).",
            autocompletion=complete_extractor,
        ),
    ] = None,
    metric: Annotated[
        list[str] | None, typer.Option(help="Metric to compute; repeatable (default: all).")
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0, help="Limit on CPU time, in seconds; 0 for no limit.")
    ] = ADD_SECONDS,
    memory: Annotated[
        str,
        typer.Option(
            help="Limit on memory beyond the size of the model itself, e.g. 500MB or 8GiB; 0 for no limit."
        ),
    ] = "8GiB",
) -> None:
    """Fetch a model, extract its filters and add them to the catalog."""
    with shell.workbench() as bench:
        added = bench.add(
            ref,
            name=name,
            replace=replace,
            preprocessing=preprocessing,
            fold_batchnorm=fold_batchnorm,
            extractors=extractor or ["convolution"],
            metrics=metric,
            timeout=timeout or None,
            memory=None if memory.strip() == "0" else memory,
        )
        models = bench.models()
    shell.say(STATUS_MESSAGES[added.status].format(model=added.model))
    if added.assumed:
        shell.say(
            f"no preprocessing is known for '{added.model}'; assuming {added.assumed_range} "
            "(set it with --preprocessing; a model already in the catalog also needs --replace)"
        )
    if added.removed_observations:
        shell.say(
            f"removed what was observed of the replaced model: {', '.join(added.removed_observations)}; "
            f"filterkit observe {added.model} IMAGES... observes the new one"
        )
    rows = [row for row in models if row["model"] == added.model]
    if preprocessing and added.takes_no_pictures:
        shell.say(f"{added.takes_no_pictures}; --preprocessing has no effect")
    if added.placeholder_size:
        shell.say(
            f"pictures are resized to {' × '.join(map(str, added.placeholder_size))}, the input size in the "
            f"file of {added.model}; if that is a placeholder, set another with --preprocessing "
            "NAME:size=224 or maps --size"
        )
    if added.not_finite:
        many = added.not_finite != 1
        shell.say(
            f"{added.not_finite} {'filters have' if many else 'filter has'} weights that are not finite: "
            f"filterkit filters {added.model} --where 'l2_norm is null'"
        )
    if added.unmeasured:
        shell.say(
            f"{', '.join(added.unmeasured)}: not computed; once the plugin works, run "
            f"filterkit measure {added.model}"
        )
    if added.skipped:
        shell.say(
            f"{added.skipped} layer{'s' * (added.skipped != 1)} could not be extracted: "
            f"filterkit layers {added.model} --skipped"
        )
    shell.rows(rows, models.columns, brief=BRIEF)
