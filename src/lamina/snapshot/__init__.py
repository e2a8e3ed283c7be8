"""Layers as mountable file systems. Start with the docstring of snapshot.protocol."""
