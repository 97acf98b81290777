"""New plugin packages: complete ones, from templates, for every kind of plugin."""
