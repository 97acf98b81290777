"""Arrange filters, feature maps, neighbours and differences as sheets of tiles."""
