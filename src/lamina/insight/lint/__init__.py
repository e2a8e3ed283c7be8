"""What the cache and the layers of earlier builds say about a Dockerfile. Reads rows only."""
