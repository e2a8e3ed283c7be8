"""Delta: a layer from the files that are here and the parts of its blob that are not (docs/delta.md)."""
