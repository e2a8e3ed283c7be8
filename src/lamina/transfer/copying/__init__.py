"""Copies of images between registries, OCI layouts, archives and the store, with the digests they have."""
