"""The explorer: everything that the catalog knows, in a browser (extra ``web``).

Pages are rendered on the server, from what `Workbench` returns; their paths are addresses.
"""
