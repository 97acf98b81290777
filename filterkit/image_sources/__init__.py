"""Image sources: where the pictures come from that networks run on."""
