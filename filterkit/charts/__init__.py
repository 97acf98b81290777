"""Charts of metrics: layers over the depth of a network, and the filters of one layer."""
