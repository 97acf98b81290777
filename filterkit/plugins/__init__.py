"""Plugins: hooks, protocols of contributions, and the host that isolates faults of plugins."""
