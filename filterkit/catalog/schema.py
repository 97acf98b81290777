"""The tables of a catalog.

`HEAD` is the revision that this code reads and writes. It is defined here so that opening a catalog compares
one string without importing Alembic; a test checks that the migrations result in these tables.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    REAL,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007")
"""Every revision, oldest first."""

HEAD = REVISIONS[-1]

version = Table(
    "filterkit_schema",
    MetaData(),  # Alembic's own table, separate from those it manages
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="filterkit_schema_pkc"),
)
"""Contains the catalog's revision; its presence distinguishes a catalog from other SQLite files."""

_METRICS = (
    Column("mean", REAL, comment="of the weights"),
    Column("std", REAL, comment="standard deviation of the weights"),
    Column("min", REAL, comment="smallest weight"),
    Column("max", REAL, comment="largest weight"),
    Column("l1_norm", REAL, comment="sum of the weights' absolute values"),
    Column("l2_norm", REAL, comment="root of the sum of the weights' squares"),
    Column("sparsity", REAL, comment="share of kernels below 1 % of the layer's largest weight"),
    Column("dc_share", REAL, comment="share of the energy in the kernels' means"),
    Column("separability", REAL, comment="share of the energy in the kernels' rank-1 parts"),
    Column("even_share", REAL, comment="share of the energy that is unchanged by a rotation by 180 degrees"),
    Column("orientation", REAL, comment="degrees, 0 to 180, of the dominant gradient"),
    Column("orientation_strength", REAL, comment="share of the gradient in that direction, 0 to 1"),
    Column("frequency", REAL, comment="energy-weighted spatial frequency, cycles per pixel"),
    Column("channel_entropy", REAL, comment="how evenly the energy is spread over input channels, 0 to 1"),
    Column("opponency", REAL, comment="first layers of colour: share of the energy off the gray axis"),
    Column("dead", Integer, comment="0 or 1: whether l2_norm is below 0.1 % of the layer's median"),
    Column("redundancy", REAL, comment="largest absolute cosine to another filter of the layer"),
    Column("classic_type", Text, comment="edge, blur, sharpen, emboss, other or pointwise"),
    Column("classic_score", REAL, comment="similarity to the nearest classic type, 0 to 1"),
    Column("classic_kernel", Text, comment="nearest classic kernel and its rotation, e.g. edge_sobel_x@90f"),
)

METRIC_COLUMNS = tuple(column.name for column in _METRICS)
"""Metrics of filters with a column of their own; those of plugins are in ``filter.extra``.

All are NULL where they are undefined, not finite, or not computed yet.
"""

_LAYER_METRICS = (
    Column("sparsity", REAL, comment="share of kernels below 1 % of the largest weight"),
    Column("variance_entropy", REAL, comment="entropy of the variance along the kernels' principal axes"),
    Column(
        "variance_entropy_normalized", REAL, comment="3x3: variance_entropy divided by that of random kernels"
    ),
    Column("orthogonality", REAL, comment="of the filters to each other, 0 to 1"),
    Column("stable_rank", REAL, comment="sum of the squared singular values divided by the largest"),
    Column("log_norm", REAL, comment="decimal logarithm of the squared Frobenius norm"),
    Column("log_spectral_norm", REAL, comment="decimal logarithm of the largest squared singular value"),
)

LAYER_METRIC_COLUMNS = tuple(column.name for column in _LAYER_METRICS)
"""Metrics of layers with a column of their own; those of plugins are in ``layer.extra``."""

metadata = MetaData()

model = Table(
    "model",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, comment="short name, first part of an address"),
    Column("source", Text, nullable=False, comment="scheme of the model source that provided it"),
    Column(
        "ref", Text, nullable=False, comment="reference that was added; adding it again gives the same model"
    ),
    Column("origin", Text, nullable=False, comment="description of where it came from"),
    Column("license", Text, comment="license of the weights, if known"),
    Column("sha256", Text, nullable=False, comment="SHA-256 of the ONNX file with its external data"),
    Column("banks_sha256", Text, nullable=False, comment="SHA-256 of the filter banks' file in the store"),
    Column("producer", Text, nullable=False, comment="program that wrote the ONNX file"),
    Column("opset", Integer, nullable=False, comment="version of the ONNX operators"),
    Column("layers", Integer, nullable=False),
    Column("filters", Integer, nullable=False),
    Column("kernels", Integer, nullable=False),
    Column(
        "parameters",
        Integer,
        nullable=False,
        comment="weights and biases of its layers, shared ones counted once",
    ),
    Column("skipped", Integer, nullable=False, comment="convolutions that could not be extracted"),
    Column("input_name", Text, comment="input of the graph that the first layers read"),
    Column("input_layout", Text, comment="NCHW or NHWC, if the input is a picture"),
    Column("input_shape", JSON(none_as_null=True), comment="list: numbers, or names of dynamic sizes"),
    Column("preprocessing", JSON(none_as_null=True), comment="preprocessing of pictures for this input"),
    Column(
        "plugins",
        JSON,
        nullable=False,
        comment="plugins that made these rows: name to version and made_by, a list of specs",
    ),
    Column(
        "measured",
        JSON,
        nullable=False,
        server_default="[]",
        comment="list: columns of its filters and layers that metrics have filled",
    ),
    Column("extra_metrics", JSON, nullable=False, comment="list: metrics of plugins in filter.extra"),
    Column(
        "extra_layer_metrics",
        JSON,
        nullable=False,
        server_default="[]",
        comment="list: metrics of plugins in layer.extra",
    ),
    Column(
        "fold_batchnorm",
        Integer,
        nullable=False,
        server_default="0",
        comment="0 or 1: whether batch norms were folded into the filters before them",
    ),
    Column("added_at", Text, nullable=False, comment="UTC, ISO 8601"),
    Column("edges", Integer, comment="rows of table edge; NULL if they were not traced yet"),
    UniqueConstraint("name", name="uq_model_name"),
    Index(
        "ix_model_extra",
        "extra_metrics",
        "extra_layer_metrics",
        sqlite_where=text("extra_metrics <> '[]' OR extra_layer_metrics <> '[]'"),
    ),
)

layer = Table(
    "layer",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("model_id", ForeignKey("model.id", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False, comment="place among the model's layers, from 0"),
    Column("name", Text, nullable=False, comment="second part of an address; unique in its model"),
    Column("node", Text, nullable=False, comment="name of the ONNX node"),
    Column(
        "scope",
        Text,
        nullable=False,
        server_default="",
        comment="body of an If, a Loop or a Scan that contains the node; empty in the main graph",
    ),
    Column("op", Text, nullable=False, comment="ONNX operator"),
    Column("spatial_rank", Integer, nullable=False, comment="1, 2 or 3"),
    Column("in_channels", Integer, nullable=False),
    Column("out_channels", Integer, nullable=False),
    Column("groups", Integer, nullable=False),
    Column("kernel_shape", JSON, nullable=False, comment="list: one size per spatial axis"),
    Column("strides", JSON, nullable=False, comment="list: one per spatial axis"),
    Column("dilations", JSON, nullable=False, comment="list: one per spatial axis"),
    Column("pads", JSON, nullable=False, comment="list: begin of every axis, then end of every axis"),
    Column("output_padding", JSON, nullable=False, comment="list: of a ConvTranspose"),
    Column("auto_pad", Text, nullable=False, comment="NOTSET where pads apply"),
    Column("filters", Integer, nullable=False),
    Column("kernels", Integer, nullable=False),
    Column("parameters", Integer, nullable=False, comment="weights and biases"),
    Column("has_bias", Integer, nullable=False, comment="0 or 1"),
    Column("macs", Integer, comment="multiply-accumulates for one picture of nominal size"),
    Column("receptive_field", REAL, comment="most input pixels seen by one output, on the widest axis"),
    Column("jump", REAL, comment="input pixels between neighbouring outputs, on that axis"),
    Column(
        "offset", REAL, comment="input pixels by which the first output reaches beyond the edge, on that axis"
    ),
    Column("receptive_fields", JSON(none_as_null=True), comment="list: per axis"),
    Column("jumps", JSON(none_as_null=True), comment="list: per axis"),
    Column("offsets", JSON(none_as_null=True), comment="list: per axis"),
    Column(
        "global_context",
        Integer,
        comment="0 or 1: whether it sees the whole picture, through a gate or a norm",
    ),
    Column(
        "output_shape", JSON(none_as_null=True), comment="list, N C H W: numbers, or names of dynamic sizes"
    ),
    Column("input_channels", JSON, nullable=False, comment="list: names, if the layer reads a picture"),
    Column("input_tensor", Text, nullable=False),
    Column("weight_tensor", Text, nullable=False),
    Column("pre_tensor", Text, nullable=False, comment="output of the convolution"),
    Column("post_tensor", Text, nullable=False, comment="output of the activation after it"),
    Column("pre_layout", Text, nullable=False, comment="axes of pre_tensor"),
    Column("post_layout", Text, nullable=False, comment="axes of post_tensor"),
    Column("activation", Text, comment="the activation that follows, e.g. relu"),
    Column("batchnorm", Text, comment="if a batch norm follows: apart, or folded into the filters"),
    Column("norm", Text, comment="another norm between convolution and activation, e.g. group_norm"),
    Column("dtype", Text, nullable=False, comment="of the weights in the ONNX file"),
    Column("source_layout", Text, nullable=False, comment="axes of the weights in the ONNX file"),
    *_LAYER_METRICS,
    Column("extra", JSON(none_as_null=True), comment="metrics of plugins: name to value"),
    UniqueConstraint("model_id", "position", name="uq_layer_position"),
    UniqueConstraint("model_id", "name", name="uq_layer_name"),
)

filter_ = Table(
    "filter",
    metadata,
    Column("layer_id", ForeignKey("layer.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True, comment="number of the output channel, from 0"),
    Column("label", Text, comment="its name, if it has one"),
    Column("bias", REAL, comment="NULL if the layer has none"),
    Column("batchnorm_scale", REAL, comment="factor of the batch norm after the filter"),
    Column("batchnorm_shift", REAL, comment="offset that this batch norm adds"),
    *_METRICS,
    Column("extra", JSON(none_as_null=True), comment="metrics of plugins: name to value"),
    # In this order the first few filters of a type are found without reading the others.
    Index("ix_filter_classic_type", "classic_type", text("orientation_strength DESC")),
    sqlite_with_rowid=False,  # rows are in the tree of the primary key: no second index, neighbours adjacent
)

skipped = Table(
    "skipped",
    metadata,
    Column("model_id", ForeignKey("model.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True, comment="place among the model's skipped nodes, from 0"),
    Column("node", Text, nullable=False, comment="name of the ONNX node"),
    Column("op", Text, nullable=False, comment="ONNX operator"),
    Column("reason", Text, nullable=False, comment="why it could not be extracted"),
    sqlite_with_rowid=False,
)

edge = Table(
    "edge",
    metadata,
    Column("model_id", ForeignKey("model.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True, comment="place among the model's edges, from 0"),
    Column("from_layer", Integer, comment="position of a layer; NULL for an input of the network"),
    Column(
        "to_layer",
        Integer,
        comment="position of the layer that it reaches; NULL for an output of the network",
    ),
    Column("via", JSON, nullable=False, comment="list: the operators between them, on the shortest way"),
    Column(
        "channel_offset",
        Integer,
        comment="first channel that to_layer reads from from_layer; NULL if it cannot be followed",
    ),
    Column("tensor", Text, comment="name of that input or output of the network"),
    sqlite_with_rowid=False,
)

observation = Table(
    "observation",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("model_id", ForeignKey("model.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False, comment="unique in its model"),
    Column("options", JSON, nullable=False, comment="how the network ran: at, size, top, duplicates"),
    Column("folder", Text, nullable=False, comment="its folder in the store"),
    Column("pictures", Integer, nullable=False, comment="pictures that the rows of its filters describe"),
    Column("pictures_sha256", Text, comment="SHA-256 of the pictures' hashes in their order"),
    Column("copies", Integer, nullable=False, comment="byte-equal copies that were not counted"),
    Column("left_out", Integer, nullable=False, comment="pictures that could not be read"),
    Column("provider", Text, comment="execution provider that ran it last"),
    Column("started", Text, nullable=False, comment="UTC, ISO 8601"),
    Column("finished", Text, comment="UTC, ISO 8601; NULL while pictures are missing"),
    Column(
        "plugins",
        JSON,
        nullable=False,
        server_default="{}",
        comment="plugins of its response metrics: name to version and made_by, a list of specs",
    ),
    Column(
        "extra_metrics",
        JSON,
        nullable=False,
        server_default="[]",
        comment="list: response metrics of plugins in response.extra",
    ),
    UniqueConstraint("model_id", "name", name="uq_observation_name"),
)

image = Table(
    "image",
    metadata,
    Column("observation_id", ForeignKey("observation.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True, comment="place among the pictures, from 0"),
    Column("path", Text, nullable=False, comment="where the picture was when it was last observed"),
    Column("sha256", Text, nullable=False, comment="SHA-256 of the picture's bytes"),
    Column("perceptual_hash", Integer, comment="equal for pictures that look the same"),
    Column("height", Integer, comment="in pixels; NULL for inputs that are not pictures"),
    Column("width", Integer, comment="in pixels"),
    Column("label", Text, comment="its class, if it is in a folder of one"),
    sqlite_with_rowid=False,
)

_RESPONSES = (
    Column("mean", REAL, comment="over all positions of all pictures"),
    Column("std", REAL, comment="standard deviation over them"),
    Column("max", REAL, comment="highest response"),
    Column("min", REAL, comment="lowest response"),
    Column("active_share", REAL, comment="share of the positions above 0"),
    Column("fires_share", REAL, comment="share of the pictures with a position above 0"),
    Column("p50", REAL, comment="median of the pictures' maxima"),
    Column("p99", REAL, comment="99th percentile of the pictures' maxima"),
    Column("p999", REAL, comment="99.9th percentile of the pictures' maxima"),
    Column("top_class", Text, comment="label with the highest mean response"),
    Column("top_class_share", REAL, comment="its share of the sum of the labels' mean responses"),
)

RESPONSE_COLUMNS = tuple(column.name for column in _RESPONSES)
"""What an observation says of each filter."""

response = Table(
    "response",
    metadata,
    # In this order the rows of a filter are adjacent, and the newest of them is found without an index.
    Column("layer_id", ForeignKey("layer.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True, comment="number of the filter in its layer"),
    Column("observation_id", ForeignKey("observation.id", ondelete="CASCADE"), primary_key=True),
    *_RESPONSES,
    Column("extra", JSON(none_as_null=True), comment="response metrics of plugins: name to value"),
    sqlite_with_rowid=False,
)

exemplar = Table(
    "exemplar",
    metadata,
    Column("layer_id", ForeignKey("layer.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True, comment="number of the filter in its layer"),
    Column("observation_id", ForeignKey("observation.id", ondelete="CASCADE"), primary_key=True),
    Column("rank", Integer, primary_key=True, comment="1 for the highest response, -1 for the lowest"),
    Column("image", Integer, nullable=False, comment="position of the picture in the observation"),
    Column("value", REAL, nullable=False, comment="the response"),
    Column("z", Integer, comment="position in the feature map, if it has a third axis"),
    Column("y", Integer, comment="position in the feature map, if it has two axes"),
    Column("x", Integer, comment="position in the feature map"),
    Column("box_top", Integer, comment="first row of the receptive field in the picture"),
    Column("box_left", Integer, comment="first column of it"),
    Column("box_bottom", Integer, comment="row after the last"),
    Column("box_right", Integer, comment="column after the last"),
    Column("at_border", Integer, comment="0 or 1: whether the receptive field reaches the picture's border"),
    sqlite_with_rowid=False,
)
