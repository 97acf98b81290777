"""From nodes to layers: weights, names, and the bias, norm and activation that follow."""
