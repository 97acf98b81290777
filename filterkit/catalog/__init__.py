"""The catalog: an SQLite database of all filters, and the store of models and filter banks beside it.

Importing this package imports SQLAlchemy, but not ONNX: `filterkit.catalog.ingest`, which reads models, is
imported only where it is needed.
"""

from filterkit.catalog.database import Catalog

__all__ = ["Catalog"]
