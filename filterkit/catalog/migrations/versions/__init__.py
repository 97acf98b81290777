"""One file per revision, ``rNNNN_what.py``."""
