"""The only place that joins blobs, rows and snapshots: layers written, applied, captured, packed."""
