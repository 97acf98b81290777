"""What metrics say, as charts: of layers over the depth of a network, and of the filters of one layer."""
