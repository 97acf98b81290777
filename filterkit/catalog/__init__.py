"""The catalog: what is known of every filter, in SQLite, and the store of models and banks beside it.

Importing this package imports SQLAlchemy, but nothing of ONNX: models are read by `filterkit.ingest`.
"""

from filterkit.catalog.database import Catalog

__all__ = ["Catalog"]
