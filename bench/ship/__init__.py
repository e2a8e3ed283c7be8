"""Shipping images, side by side: wall time, peak memory, bytes moved."""
