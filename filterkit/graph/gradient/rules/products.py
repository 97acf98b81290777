"""Gradients of matrix products, which are matrix products as well."""

from __future__ import annotations

from string import ascii_letters

from filterkit.graph.gradient.backward import Backward, Family, Gradients, standard


def gemm(step: Backward) -> Gradients:
    given = step.attributes
    alpha, beta = given.get("alpha", 1.0), given.get("beta", 1.0)
    flip_a, flip_b = given.get("transA", 0), given.get("transB", 0)
    incoming, (a, b) = step.gradient, step.inputs[:2]
    of_a = of_b = None
    if step.needed[0]:
        of_a = (
            step.op("Gemm", b, incoming, alpha=alpha, transA=flip_b, transB=1)
            if flip_a
            else step.op("Gemm", incoming, b, alpha=alpha, transB=1 - flip_b)
        )
    if step.needed[1]:
        of_b = (
            step.op("Gemm", incoming, a, alpha=alpha, transA=1, transB=flip_a)
            if flip_b
            else step.op("Gemm", a, incoming, alpha=alpha, transA=1 - flip_a)
        )
    if not any(step.needed[2:]):
        return of_a, of_b
    of_c = step.sum_to(incoming, step.output_shape(), step.shape(2))
    return of_a, of_b, of_c if beta == 1 else step.op("Mul", of_c, step.const(float(beta)))


def mat_mul(step: Backward) -> Gradients:
    """A vector on the left is a row, one on the right a column."""
    (a, a_shape), (b, b_shape) = _matrix(step, 0), _matrix(step, 1)
    batch = step.output_shape()[: max(len(a_shape), len(b_shape)) - 2]
    rows, inner, columns = a_shape[-2], a_shape[-1], b_shape[-1]
    incoming = step.gradient
    if step.output_shape() != (*batch, rows, columns):
        incoming = step.reshape(incoming, (*batch, rows, columns))
    found: list[str | None] = [None, None]
    if step.needed[0]:
        of_a = step.op("MatMul", incoming, _transposed(step, b, len(b_shape)))
        found[0] = step.sum_to(of_a, (*batch, rows, inner), a_shape)
    if step.needed[1]:
        of_b = step.op("MatMul", _transposed(step, a, len(a_shape)), incoming)
        found[1] = step.sum_to(of_b, (*batch, inner, columns), b_shape)
    return [
        step.reshape(name, step.shape(place)) if name and len(step.shape(place)) == 1 else name
        for place, name in enumerate(found)
    ]


def _matrix(step: Backward, place: int) -> tuple[str, tuple[int, ...]]:
    name, shape = step.inputs[place], step.shape(place)
    if len(shape) > 1:
        return name, shape
    shape = (*shape, 1) if place else (1, *shape)
    return step.reshape(name, shape), shape


def _transposed(step: Backward, tensor: str, rank: int) -> str:
    return step.op("Transpose", tensor, perm=[*range(rank - 2), rank - 1, rank - 2])


def einsum(step: Backward) -> Gradients:
    """The gradient of an operand is the product of the incoming one and all other operands."""
    operands, output = _explicit(step)
    sizes: dict[str, int] = {}
    for place, letters in enumerate(operands):
        for letter, size in zip(letters, step.shape(place), strict=True):
            sizes[letter] = max(sizes.get(letter, 1), size)
    found: list[str | None] = []
    for place, letters in enumerate(operands):
        if not step.needed[place]:
            found.append(None)
            continue
        if len(set(letters)) < len(letters):
            raise step.unsupported("it takes a diagonal")
        others = [index for index in range(len(operands)) if index != place]
        terms = [output, *(operands[index] for index in others)]
        names = [step.gradient, *(step.inputs[index] for index in others)]
        known = [letter for letter in letters if any(letter in term for term in terms)]
        back = step.op("Einsum", *names, equation=f"{','.join(terms)}->{''.join(known)}")
        whole = [sizes[letter] for letter in letters]
        if len(known) < len(letters):  # summed over, so that all elements have the same gradient
            ones = [sizes[letter] if letter in known else 1 for letter in letters]
            back = step.op("Expand", step.reshape(back, ones), step.ints(*whole))
        found.append(step.sum_to(back, whole, step.shape(place)))
    return found


def _explicit(step: Backward) -> tuple[list[str], str]:
    """The letters of each operand and of the output, which also stand for the axes of an ellipsis."""
    equation = step.attributes["equation"].replace(" ", "")
    left, arrow, output = equation.partition("->")
    terms = left.split(",")
    free = [letter for letter in ascii_letters if letter not in equation]
    most = max(
        (len(step.shape(place)) + 3 - len(term) for place, term in enumerate(terms) if "..." in term),
        default=0,
    )
    if most > len(free):
        raise step.unsupported("its ellipsis has too many axes")
    axes = "".join(free[:most])
    if not arrow:
        letters = left.replace("...", "").replace(",", "")
        output = "..." + "".join(sorted(letter for letter in set(letters) if letters.count(letter) == 1))
    operands = [
        term.replace("...", axes[most - (len(step.shape(place)) + 3 - len(term)) :])
        for place, term in enumerate(terms)
    ]
    return operands, output.replace("...", axes)


def rule() -> Family:
    return standard(Gemm=gemm, MatMul=mat_mul, Einsum=einsum)
