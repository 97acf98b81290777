"""What is measured of every filter: one family of metrics per file."""
