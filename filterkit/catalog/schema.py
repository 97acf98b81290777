"""The tables of a catalog.

`HEAD` names the revision that this code reads and writes. It stands here so that opening a catalog compares
one string and imports no Alembic; a test holds the migrations to these tables.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    REAL,
    Column,
    ForeignKey,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

REVISIONS = ("0001", "0002")
"""Every revision, oldest first."""

HEAD = REVISIONS[-1]

version = Table(
    "filterkit_schema",
    MetaData(),  # Alembic's own table, apart from those it looks after
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="filterkit_schema_pkc"),
)
"""Holds the catalog's revision; that it is there tells a catalog from other SQLite files."""

METRIC_COLUMNS = ("mean", "std", "min", "max", "l1_norm", "l2_norm", "sparsity")
"""Metrics with a column of their own; those of plugins stand in ``filter.extra``."""

metadata = MetaData()

model = Table(
    "model",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, comment="short name, first part of an address"),
    Column("source", Text, nullable=False, comment="scheme of the model source that brought it"),
    Column("ref", Text, nullable=False, comment="what was added; adding it again brings the same model"),
    Column("origin", Text, nullable=False, comment="where it came from, in words"),
    Column("license", Text, comment="license of the weights, where known"),
    Column("sha256", Text, nullable=False, comment="of the ONNX file with its external data"),
    Column("banks_sha256", Text, nullable=False, comment="of the filter banks' file in the store"),
    Column("producer", Text, nullable=False, comment="program that wrote the ONNX file"),
    Column("opset", Integer, nullable=False, comment="version of the ONNX operators"),
    Column("layers", Integer, nullable=False),
    Column("filters", Integer, nullable=False),
    Column("kernels", Integer, nullable=False),
    Column("parameters", Integer, nullable=False, comment="weights and biases of its convolutions"),
    Column("skipped", Integer, nullable=False, comment="convolutions that could not be extracted"),
    Column("input_name", Text, comment="input of the graph that the first layers read"),
    Column("input_layout", Text, comment="NCHW or NHWC, where the input is a picture"),
    Column("input_shape", JSON(none_as_null=True), comment="list: numbers, or names where free"),
    Column("preprocessing", JSON(none_as_null=True), comment="what a picture goes through before the input"),
    Column(
        "plugins",
        JSON,
        nullable=False,
        comment="plugins that made these rows: name to version and made_by, a list of specs",
    ),
    Column("extra_metrics", JSON, nullable=False, comment="list: metrics of plugins, found in filter.extra"),
    Column(
        "fold_batchnorm",
        Integer,
        nullable=False,
        server_default="0",
        comment="0 or 1: whether batch norms were folded into the filters in front of them",
    ),
    Column("added_at", Text, nullable=False, comment="UTC, ISO 8601"),
    UniqueConstraint("name", name="uq_model_name"),
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
        comment="body of an If, a Loop or a Scan that holds the node; empty in the main graph",
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
    Column("auto_pad", Text, nullable=False, comment="NOTSET where pads says it"),
    Column("filters", Integer, nullable=False),
    Column("kernels", Integer, nullable=False),
    Column("parameters", Integer, nullable=False, comment="weights and biases"),
    Column("has_bias", Integer, nullable=False, comment="0 or 1"),
    Column("macs", Integer, comment="multiply-accumulates for one picture of nominal size"),
    Column("receptive_field", REAL, comment="input pixels seen by one output, on the widest axis"),
    Column("jump", REAL, comment="input pixels between neighbouring outputs, on that axis"),
    Column("offset", REAL, comment="how far the first output looks over the edge, on that axis"),
    Column("receptive_fields", JSON(none_as_null=True), comment="list: per axis"),
    Column("jumps", JSON(none_as_null=True), comment="list: per axis"),
    Column("offsets", JSON(none_as_null=True), comment="list: per axis"),
    Column("output_shape", JSON(none_as_null=True), comment="list, N C H W: numbers, or names where free"),
    Column("input_channels", JSON, nullable=False, comment="list: names, where the layer reads a picture"),
    Column("input_tensor", Text, nullable=False),
    Column("weight_tensor", Text, nullable=False),
    Column("pre_tensor", Text, nullable=False, comment="output of the convolution"),
    Column("post_tensor", Text, nullable=False, comment="output of the activation behind it"),
    Column("pre_layout", Text, nullable=False, comment="axes of pre_tensor"),
    Column("post_layout", Text, nullable=False, comment="axes of post_tensor"),
    Column("activation", Text, comment="the activation, e.g. relu, where one follows"),
    Column("batchnorm", Text, comment="where a batch norm follows: apart, or folded into the filters"),
    Column("dtype", Text, nullable=False, comment="of the weights in the ONNX file"),
    Column("source_layout", Text, nullable=False, comment="axes of the weights in the ONNX file"),
    UniqueConstraint("model_id", "position", name="uq_layer_position"),
    UniqueConstraint("model_id", "name", name="uq_layer_name"),
)

filter_ = Table(
    "filter",
    metadata,
    Column("layer_id", ForeignKey("layer.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True, comment="number of the output channel, from 0"),
    Column("label", Text, comment="name of its own, where it has one"),
    Column("bias", REAL, comment="NULL where the layer has none"),
    Column("batchnorm_scale", REAL, comment="factor of the batch norm behind the filter"),
    Column("batchnorm_shift", REAL, comment="what that batch norm adds"),
    *(Column(name, REAL, comment="NULL where not finite") for name in METRIC_COLUMNS),
    Column("extra", JSON(none_as_null=True), comment="metrics of plugins: name to value"),
    sqlite_with_rowid=False,  # a row lies in its key's own tree: no second index, neighbours side by side
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
