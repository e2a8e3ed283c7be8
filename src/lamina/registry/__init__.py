"""Registries: names become manifests and blobs (OCI distribution-spec 1.1, Docker's API v2)."""
