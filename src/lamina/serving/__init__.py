"""The store as a registry: OCI's distribution-spec 1.1 and Docker's API v2 (`lamina registry serve`).

A request goes down: `server` takes connections, `connection` speaks HTTP (h11), `app` checks who asks and
finds the handler by the path (`routes`). The handlers (`blobs`, `uploading`, `manifests`, `listing`) answer
from `shelf`, which knows what a repository has, and write through `taking` and `uploads`.
"""
