"""Weight extractor `matmul`: every column of a MatMul's weights as a 1×1 filter."""

import filterkit


class MatMulExtractor:
    def extract(self, graph):
        return filterkit.read_layers(graph, is_layer, read)


def is_layer(node):
    return node.op_type == "MatMul"


def read(graph, node, name):
    data, weight = node.input
    matrix = graph.constant(weight)
    if matrix.ndim != 2:
        raise filterkit.Unresolved(f"its weights have {matrix.ndim} axes")
    inputs, outputs = matrix.shape
    tail = filterkit.follow(graph, node.output[0], "NC", outputs, has_bias=False)
    stored, dtype, axes = filterkit.stored_as(graph, weight, "IO")
    return filterkit.FilterBank(
        node=name,
        op=node.op_type,
        weights=matrix.T.reshape(outputs, inputs, 1, 1),
        bias=tail.bias,
        in_channels=inputs,
        out_channels=outputs,
        groups=1,
        kernel_shape=(1, 1),
        strides=(1, 1),
        dilations=(1, 1),
        pads=(0, 0, 0, 0),
        auto_pad="NOTSET",
        output_padding=(0, 0),
        input_tensor=data,
        weight_tensor=stored,
        pre_tensor=tail.pre_tensor,
        post_tensor=tail.post_tensor,
        pre_layout=tail.pre_layout,
        post_layout=tail.post_layout,
        activation=tail.activation,
        source_dtype=dtype,
        source_layout=axes,
        scope=graph.scope,
        batchnorm=tail.batchnorm,
        norm=tail.norm,
    )


@filterkit.hookimpl
def filterkit_weight_extractors():
    return [filterkit.Contribution("matmul", "Matrix products as 1×1 filters", MatMulExtractor)]
