"""Ways to spoil a model: in its bytes, and in what protobuf makes of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import suppress

import onnx
from google.protobuf.message import DecodeError
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto

NUMBERS = (0, 1, -1, 2, 3, 7, -(2**31), 2**31 - 1, 2**31, 2**40, 2**60, -(2**63), 2**63 - 1, 1000, 65536)
WORDS = (
    *(
        "",
        "x",
        "w",
        "y",
        "/",
        "..",
        "../../etc/passwd",
        "/dev/zero",
        "a/b",
        "a\0b",
        "\x1b[2J\x1b[31m",
        "CON",
        "%s",
    ),
    *("name\nline", "w" * 10_000, "é" * 300, "\u202e", "NOTSET", "SAME_UPPER", "VALID", "linear", "😀"),
)
OPERATORS = (
    *(
        "Conv",
        "ConvTranspose",
        "QLinearConv",
        "ConvInteger",
        "DeformConv",
        "Constant",
        "ConstantOfShape",
        "Expand",
    ),
    *(
        "Tile",
        "Gather",
        "Concat",
        "Slice",
        "Reshape",
        "Transpose",
        "Squeeze",
        "Unsqueeze",
        "Split",
        "Identity",
    ),
    *("Cast", "Where", "Pow", "Mod", "DequantizeLinear", "QuantizeLinear", "Shape", "Size", "Range", "Loop"),
    *(
        "If",
        "Scan",
        "BatchNormalization",
        "Clip",
        "Relu",
        "Mul",
        "Add",
        "Resize",
        "Upsample",
        "Pad",
        "MaxPool",
    ),
    *(
        "DepthToSpace",
        "ReduceSum",
        "MatMul",
        "Gemm",
        "CumSum",
        "Softmax",
        "ArgMax",
        "Flatten",
        "Einsum",
        "NoSuch",
    ),
)
DOMAINS = ("", "ai.onnx", "com.microsoft", "somebody", "ai.onnx.ml", "\x1b[31m")


def mutated(data: bytes, draw: random.Random) -> bytes:
    """`data` with one to six things wrong with it."""
    if draw.random() < 0.25:
        return _spoiled_bytes(data, draw)
    try:
        model = ModelProto.FromString(data)
    except DecodeError:
        return _spoiled_bytes(data, draw)
    for _ in range(draw.choice((1, 1, 1, 2, 3, 6))):
        with suppress(ValueError, TypeError, IndexError):  # protobuf does not let every field be spoiled so
            draw.choice(MUTATIONS)(model, draw)
    spoiled = model.SerializeToString()
    return _spoiled_bytes(spoiled, draw) if draw.random() < 0.05 else spoiled


def _spoiled_bytes(data: bytes, draw: random.Random) -> bytes:
    spoiled = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 4, 16))):
        if not spoiled:
            break
        # Most of the bytes are weights; names and structure lie near the ends, so half the hits go there.
        place = (
            draw.randrange(len(spoiled)) if draw.random() < 0.5 else draw.randrange(min(4000, len(spoiled)))
        )
        place = place if draw.random() < 0.7 else len(spoiled) - 1 - place
        how = draw.randrange(6)
        if how == 0:
            spoiled[place] ^= 1 << draw.randrange(8)
        elif how == 1:
            spoiled[place] = draw.choice((0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256)))
        elif how == 2:
            del spoiled[place:]
        elif how == 3:
            del spoiled[place : place + draw.randrange(1, 64)]
        elif how == 4:
            spoiled[place:place] = draw.randbytes(draw.randrange(1, 32))
        else:
            start = draw.randrange(len(spoiled))
            spoiled[place:place] = spoiled[start : start + draw.randrange(1, 256)]
    return bytes(spoiled)


def _graphs(graph: GraphProto) -> Iterator[GraphProto]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _graphs(attribute.g)


def _graph(model: ModelProto, draw: random.Random) -> GraphProto:
    return draw.choice(list(_graphs(model.graph)))


def _node(model: ModelProto, draw: random.Random) -> NodeProto:
    nodes = [*_graph(model, draw).node, *(node for function in model.functions for node in function.node)]
    return draw.choice(nodes) if nodes else model.graph.node.add()


def _tensor(model: ModelProto, draw: random.Random) -> TensorProto:
    tensors: list[TensorProto] = []
    for graph in _graphs(model.graph):
        tensors += graph.initializer
        tensors += [part for sparse in graph.sparse_initializer for part in (sparse.values, sparse.indices)]
        tensors += [a.t for node in graph.node for a in node.attribute if a.HasField("t")]
    return draw.choice(tensors) if tensors else model.graph.initializer.add()


def _name(model: ModelProto, draw: random.Random) -> str:
    """A name of the graph, or a bad one."""
    node = _node(model, draw)
    return draw.choice([*node.input, *node.output, draw.choice(WORDS)])


def _number(draw: random.Random) -> int:
    return draw.choice((*NUMBERS, draw.randrange(-4, 20)))


def _dims(model: ModelProto, draw: random.Random) -> None:
    sparse = [one for graph in _graphs(model.graph) for one in graph.sparse_initializer]
    dims = (draw.choice(sparse) if sparse and draw.random() < 0.3 else _tensor(model, draw)).dims
    how = draw.randrange(4)
    if how == 0 or not dims:
        dims.append(_number(draw))
    elif how == 1:
        del dims[draw.randrange(len(dims))]
    elif how == 2:
        dims[draw.randrange(len(dims))] = _number(draw)
    else:
        shuffled = draw.sample(list(dims), len(dims))
        del dims[:]
        dims.extend(shuffled)


def _data(model: ModelProto, draw: random.Random) -> None:
    tensor = _tensor(model, draw)
    how = draw.randrange(7)
    if how == 0:
        tensor.ClearField("raw_data")
    elif how == 1:
        tensor.raw_data += bytes(draw.randrange(1, 9))
    elif how == 2:
        tensor.data_type = draw.choice((*range(28), 99, 2**31 - 1))
    elif how == 3:
        tensor.float_data.extend([1.0, float("nan")])
    elif how == 4 and len(tensor.raw_data) >= 8:
        start = draw.randrange(0, len(tensor.raw_data) - 7, 4)
        value = draw.choice((_number(draw) & 2**64 - 1, 0x7FC000007F800000, 2**64 - 1)).to_bytes(8, "little")
        tensor.raw_data = tensor.raw_data[:start] + value + tensor.raw_data[start + 8 :]
    elif how == 5:
        tensor.data_location = TensorProto.EXTERNAL
        for key in ("location", "offset", "length"):
            if draw.random() < 0.7:
                words = WORDS if key == "location" else tuple(map(str, NUMBERS))
                tensor.external_data.add(key=key, value=draw.choice((*words, "model.onnx")))
    else:
        tensor.segment.begin, tensor.segment.end = _number(draw), _number(draw)


def _attribute(model: ModelProto, draw: random.Random) -> None:
    node = _node(model, draw)
    if not node.attribute or draw.random() < 0.2:
        names = (
            "group",
            "axis",
            "kernel_shape",
            "pads",
            "strides",
            "dilations",
            "auto_pad",
            "perm",
            "to",
            "axes",
        )
        node.attribute.add(
            name=draw.choice(
                (*names, "value", "value_ints", "value_float", "blocksize", "block_size", "start", "end")
            ),
            type=draw.choice((AttributeProto.INT, AttributeProto.INTS, AttributeProto.FLOAT)),
            i=_number(draw),
            ints=[_number(draw) for _ in range(draw.randrange(5))],
        )
        return
    attribute = draw.choice(node.attribute)
    how = draw.randrange(9)
    if how == 0:
        node.attribute.remove(attribute)
    elif how == 1:
        attribute.name = draw.choice(WORDS)
    elif how == 2:
        attribute.type = draw.choice(range(16)) if draw.random() < 0.9 else 99
    elif how in (3, 4) and attribute.ints:
        attribute.ints[draw.randrange(len(attribute.ints))] = _number(draw)
    elif how == 5:
        attribute.ints.extend([_number(draw)] * draw.choice((1, 1, 2, 1000)))
    elif how == 6:
        attribute.f = draw.choice((float("nan"), float("inf"), -1e38, 0.0))
        attribute.floats.extend([attribute.f])
    elif how == 7:
        attribute.s = draw.choice(WORDS).encode()
    else:
        attribute.i = _number(draw)


def _edges(model: ModelProto, draw: random.Random) -> None:
    node = _node(model, draw)
    side = draw.choice((node.input, node.output))
    how = draw.randrange(4)
    if how == 0 or not side:
        side.append(_name(model, draw))
    elif how == 1:
        del side[draw.randrange(len(side)) :]
    else:
        side[draw.randrange(len(side))] = _name(model, draw)


def _operator(model: ModelProto, draw: random.Random) -> None:
    node = _node(model, draw)
    if draw.random() < 0.8:
        node.op_type = draw.choice((*OPERATORS, draw.choice(WORDS)))
    else:
        node.domain = draw.choice(DOMAINS)


def _names(model: ModelProto, draw: random.Random) -> None:
    how = draw.randrange(5)
    word = _name(model, draw)
    if how == 0:
        _node(model, draw).name = word
    elif how == 1:
        _tensor(model, draw).name = word
    elif how == 2 and model.graph.input:
        draw.choice(model.graph.input).name = word
    elif how == 3 and model.graph.output:
        draw.choice(model.graph.output).name = word
    else:  # one name, everywhere
        old = _name(model, draw)
        for graph in _graphs(model.graph):
            for tensor in graph.initializer:
                tensor.name = word if tensor.name == old else tensor.name
            for node in graph.node:
                for side in (node.input, node.output):
                    for place, name in enumerate(side):
                        side[place] = word if name == old else name


def _types(model: ModelProto, draw: random.Random) -> None:
    graph = _graph(model, draw)
    values = [*graph.input, *graph.output, *graph.value_info]
    if not values:
        return
    kind = draw.choice(values).type
    how = draw.randrange(6)
    dims = kind.tensor_type.shape.dim
    if how == 0 or not dims:
        dims.add(dim_value=_number(draw))
    elif how == 1:
        draw.choice(dims).dim_value = _number(draw)
    elif how == 2:
        draw.choice(dims).dim_param = draw.choice(WORDS)
    elif how == 3:
        kind.tensor_type.elem_type = draw.choice((*range(28), 99))
    elif how == 4:
        del dims[draw.randrange(len(dims))]
    else:
        kind.Clear()
        if draw.random() < 0.5:
            kind.sequence_type.elem_type.tensor_type.elem_type = 1


def _nodes(model: ModelProto, draw: random.Random) -> None:
    graph = _graph(model, draw)
    if not graph.node:
        return
    place = draw.randrange(len(graph.node))
    how = draw.randrange(5)
    if how == 0:
        del graph.node[place]
    elif how == 1:
        graph.node.add().CopyFrom(graph.node[place])
    elif how == 2:
        shuffled = [onnx.NodeProto.FromString(node.SerializeToString()) for node in graph.node]
        draw.shuffle(shuffled)
        del graph.node[:]
        graph.node.extend(shuffled)
    elif how == 3:  # into a body, with all it makes
        moved = NodeProto.FromString(graph.node[place].SerializeToString())
        branch = GraphProto(name="branch", node=[moved])
        branch.output.extend(onnx.ValueInfoProto(name=name) for name in moved.output)
        holder = onnx.helper.make_node(
            "If", ["x"], list(moved.output), then_branch=branch, else_branch=branch
        )
        graph.node[place].CopyFrom(holder)
    else:
        graph.node.add(
            op_type=draw.choice(OPERATORS),
            input=[_name(model, draw) for _ in range(draw.randrange(4))],
            output=["new"],
        )


def _header(model: ModelProto, draw: random.Random) -> None:
    how = draw.randrange(4)
    if how == 0:
        model.ir_version = _number(draw)
    elif how == 1 and model.opset_import:
        draw.choice(model.opset_import).version = draw.choice((_number(draw), 999, draw.randrange(1, 30)))
    elif how == 2:
        del model.opset_import[:]
    else:
        model.opset_import.add(domain=draw.choice(DOMAINS), version=_number(draw))


def _bomb(model: ModelProto, draw: random.Random) -> None:
    """A weight that is made by one node out of a shape of any size."""
    convolutions = [node for node in model.graph.node if len(node.input) > 1 and "Conv" in node.op_type]
    if not convolutions:
        return
    node = draw.choice(convolutions)
    shape = [draw.choice((*NUMBERS, 3, 3, 3, 3)) for _ in range(draw.randrange(6))]
    model.graph.initializer.append(onnx.helper.make_tensor("bomb_shape", 7, [len(shape)], shape))
    weight, again = node.input[1], ["bomb_shape"] * draw.choice((1, 1, 2))
    operator = draw.choice(("ConstantOfShape", "Expand", "Tile", "Gather", "Reshape", "Slice"))
    made = [operator, *([] if operator == "ConstantOfShape" else [weight]), *again]
    model.graph.node.add(op_type=made[0], input=made[1:], output=["bomb"])
    node.input[1] = "bomb"


MUTATIONS: tuple[Callable[[ModelProto, random.Random], None], ...] = (
    *(_dims, _data, _attribute, _attribute, _edges, _operator, _names, _types, _nodes, _header, _bomb),
)
