"""Plugins: hooks, the protocols of what they bring, and the host that keeps one from breaking the rest."""
