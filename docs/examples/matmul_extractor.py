"""Weight extractor `matmul`: every column of a MatMul's weights as a 1×1 filter."""

import filterkit


class MatMulExtractor:
    def extract(self, graph):
        for node in graph.nodes:
            if node.op_type != "MatMul":
                continue
            data, weight = node.input
            if not graph.is_constant(weight):
                yield filterkit.Skipped(node.name, node.op_type, "its weights are computed as it runs")
                continue
            matrix = graph.constant(weight)
            if matrix.ndim != 2:
                yield filterkit.Skipped(node.name, node.op_type, f"its weights have {matrix.ndim} axes")
                continue
            inputs, outputs = matrix.shape
            yield filterkit.FilterBank(
                node=node.name or node.output[0],
                op=node.op_type,
                weights=matrix.T.reshape(outputs, inputs, 1, 1),
                bias=None,
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
                weight_tensor=weight,
                pre_tensor=node.output[0],
                post_tensor=node.output[0],
                pre_layout="NC",
                post_layout="NC",
                activation=None,
                source_dtype=str(matrix.dtype),
                source_layout="IO",
            )


@filterkit.hookimpl
def filterkit_weight_extractors():
    return [filterkit.Contribution("matmul", "Matrix products as 1×1 filters", MatMulExtractor)]
