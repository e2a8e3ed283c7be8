"""The formats in which images travel as files: docker-archive, OCI image layout, and their compression."""
