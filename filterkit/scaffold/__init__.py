"""New plugin packages, generated from templates for every kind of plugin."""
