"""The catalog: what is known of every filter, in SQLite, and the store of models and banks beside it.

Importing this package imports SQLAlchemy, and nothing of ONNX: `filterkit.catalog.ingest`, which reads
models, is imported by those who need it.
"""

from filterkit.catalog.database import Catalog

__all__ = ["Catalog"]
