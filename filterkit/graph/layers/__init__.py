"""From nodes to layers: their weights, names, and what follows each."""
