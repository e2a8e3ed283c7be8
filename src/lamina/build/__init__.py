"""Builds: a Dockerfile and a context become layers and an image; nothing is done twice."""
