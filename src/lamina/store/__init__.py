"""store: bytes on disk. Blobs by digest, folders of layers, leases, and cleaning up after the dead."""
