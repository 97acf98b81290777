"""What operations return: tables, sheets, feature maps, neighbours and differences."""
