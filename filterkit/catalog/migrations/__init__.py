"""Alembic migrations of the catalog's schema; imported only where an older catalog is opened."""
