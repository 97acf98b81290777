"""Compare filters: nearest neighbours, copies, differences. Works on arrays, independent of the catalog."""
