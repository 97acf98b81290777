"""A gradient rule for Shrink, whose slope is 0 near zero and 1 elsewhere."""

import filterkit


class ShrinkRule:
    operators = (("", "Shrink"),)

    def backward(self, step):
        limit = step.const(step.attributes.get("lambd", 0.5))
        outside = step.op("Greater", step.op("Abs", step.inputs[0]), limit)
        return [step.op("Where", outside, step.gradient, step.const(0.0))]


@filterkit.hookimpl
def filterkit_gradient_rules():
    return [filterkit.Contribution("shrink", "Shrink: soft and hard thresholds", ShrinkRule)]
