"""SQLite: the only part of filterkit that knows the database driver.

Connections and their locks, the files beside a database, JSON in SQL, the schemas that filterkit creates, and
the process that runs the statement of ``filterkit query``. All other modules use SQLAlchemy Core in general
terms and call into this package.
"""
