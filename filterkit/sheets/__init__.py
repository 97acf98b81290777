"""How filters, feature maps, neighbours and differences become a sheet of tiles."""
