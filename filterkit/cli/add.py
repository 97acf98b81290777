"""``filterkit add``: bring a model into the catalog."""

from __future__ import annotations

from typing import Annotated

import typer

from filterkit.cli.shell import Shell, command
from filterkit.cli.support.completion import complete_extractor, complete_ref
from filterkit.settings import ADD_SECONDS

BRIEF = ("model", "layers", "filters", "kernels", "parameters", "skipped")
SAID = {
    "added": "added {model}",
    "replaced": "replaced {model}",
    "unchanged": "{model} is in the catalog already, with the same content: nothing changed",
    "restored": "{model} is in the catalog already; brought its weights back to the store",
}


@command
def add(
    shell: Shell,
    ref: Annotated[
        str,
        typer.Argument(
            help="An ONNX file, a known name (vgg16), classic, keras:VGG16, weights:FILE, wheel:…, or a "
            "plugin's.",
            autocompletion=complete_ref,
        ),
    ],
    name: Annotated[str | None, typer.Option(help="Name in the catalog (default: from REF).")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace a model of that name.")] = False,
    preprocessing: Annotated[
        str | None,
        typer.Option(
            help="What the model's input expects: caffe, torch, tf, raw, unit or gray, with options, "
            "e.g. torch:size=224, unit:input=NAME,layout=NHWC, unit:channels=RGBA (default: what the source "
            "says)."
        ),
    ] = None,
    fold_batchnorm: Annotated[
        bool,
        typer.Option(
            "--fold-batchnorm",
            help="Fold batch norms into the filters in front of them: the effective filters.",
        ),
    ] = False,
    extractor: Annotated[
        list[str] | None,
        typer.Option(
            help="What finds the layers, instead of convolution; may be repeated, as in "
            "--extractor convolution --extractor dense.",
            autocompletion=complete_extractor,
        ),
    ] = None,
    metric: Annotated[
        list[str] | None, typer.Option(help="Metric to measure; may be repeated (default: all).")
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0, help="Give up after so many seconds of CPU time; 0 for no limit.")
    ] = ADD_SECONDS,
    memory: Annotated[
        str,
        typer.Option(
            help="Give up where it takes more memory than that beyond the model's own size, e.g. 500MB or "
            "8GiB; 0 for no limit."
        ),
    ] = "8GiB",
) -> None:
    """Fetch a model, extract its filters and catalogue them."""
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
    shell.say(SAID[added.status].format(model=added.model))
    if added.assumed:
        shell.say(
            f"the preprocessing of {added.model} is not known: {added.assumed_range} are assumed "
            "(--preprocessing states it, with --replace for a model that is there)"
        )
    rows = [row for row in models if row["model"] == added.model]
    if preprocessing and added.takes_no_pictures:
        shell.say(f"{added.takes_no_pictures}; --preprocessing is of no use there")
    if added.placeholder_size:
        shell.say(
            f"pictures are resized to {' × '.join(map(str, added.placeholder_size))} for {added.model}, "
            "as its file states; if that is a placeholder, --preprocessing NAME:size=224 or maps --size says "
            "another"
        )
    if added.not_finite:
        many = added.not_finite != 1
        shell.say(
            f"{added.not_finite} {'filters hold' if many else 'filter holds'} weights that are not finite: "
            f"filterkit filters {added.model} --where 'l2_norm is null'"
        )
    if added.unmeasured:
        shell.say(
            f"{', '.join(added.unmeasured)}: not measured; once the plugin works, "
            f"filterkit measure {added.model}"
        )
    if added.skipped:
        shell.say(
            f"{added.skipped} layer{'s' * (added.skipped != 1)} could not be extracted: "
            f"filterkit layers {added.model} --skipped"
        )
    shell.rows(rows, models.columns, brief=BRIEF)
