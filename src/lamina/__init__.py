"""Lamina: a container image engine in which layers are the thing you work with."""
