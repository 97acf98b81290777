"""What must run for the tensors that are wanted."""
