"""cachemounts: the folders of RUN --mount=type=cache as objects: made, removed, moved between stores."""
