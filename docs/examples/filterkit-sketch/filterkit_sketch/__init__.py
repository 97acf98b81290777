"""Small weights made visible, weights as dots, and filters that detect rings."""

import filterkit

FILTERKIT_API = 1


@filterkit.hookimpl
def filterkit_normalizers():
    return [
        filterkit.Contribution(
            "root", "Zero in the middle, small weights amplified", "filterkit_sketch.root:Root"
        )
    ]


@filterkit.hookimpl
def filterkit_renderers():
    return [filterkit.Contribution("dots", "Every weight as a dot", "filterkit_sketch.dots:Dots")]


@filterkit.hookimpl
def filterkit_model_sources():
    return [filterkit.Contribution("rings", "Filters that detect rings", "filterkit_sketch.rings:Rings")]
