"""Gradients of quantization, straight through the rounding (Bengio et al. 2013, arXiv:1308.3432).

The gradient of a quantized tensor is that of the numbers it stands for. None flows to numbers outside the
range of the quantized type, which are clipped: as in training with simulated quantization (torch's
``fake_quantize_per_tensor_affine``), and because the range often replaces a Relu that was removed.
"""

from __future__ import annotations

from filterkit.graph.gradient.backward import Backward, Family, Gradients


def quantize(step: Backward) -> Gradients:
    number, (least, most) = step.inputs[0], _limits(step)
    steps = step.op("Round", step.op("Div", number, _along_axis(step, 1)))
    if step.has(2):
        steps = step.op("Add", steps, step.op("CastLike", _along_axis(step, 2), number))
    above = step.op("GreaterOrEqual", steps, step.const(float(least)))
    below = step.op("LessOrEqual", steps, step.const(float(most)))
    return (step.op("Where", step.op("And", above, below), step.gradient, step.const(0.0)),)


def dequantize(step: Backward) -> Gradients:
    if any(step.needed[1:]):
        raise step.unsupported("its scale depends on the input")
    return (step.gradient,)


def _limits(step: Backward) -> tuple[int, int]:
    """The range of the quantized type."""
    if any(step.needed[1:]):
        raise step.unsupported("its scale depends on the input")
    found = step.dtype(2) if step.has(2) else step.output_dtype()
    kind = "uint8" if found is None else found.name
    digits = kind.removeprefix("u").removeprefix("int")
    if not digits.isdigit():
        raise step.unsupported(f"it quantizes to the type {kind}")
    count = 2 ** int(digits)
    return (0, count - 1) if kind.startswith("u") else (-count // 2, count // 2 - 1)


def _along_axis(step: Backward, place: int) -> str:
    """A scale or zero point, with one element for all or one for each index of an axis."""
    if step.attributes.get("block_size", 0):
        raise step.unsupported("it quantizes in blocks")
    rank, axis = len(step.shape()), step.attributes.get("axis", 1)
    if len(step.shape(place)) == 0 or step.shape(place) == (1,):
        return step.inputs[place]
    return step.reshape(step.inputs[place], [-1 if index == axis % rank else 1 for index in range(rank)])


def rule() -> Family:
    """For ONNX Runtime's operators, which precede the standard ones and take 16-bit integers, as well."""
    return Family(
        {
            (domain, name): function
            for domain in ("", "com.microsoft")
            for name, function in (("QuantizeLinear", quantize), ("DequantizeLinear", dequantize))
        }
    )
