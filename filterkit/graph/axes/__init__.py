"""Receptive fields: trace the axes of every tensor back to the model's inputs."""
