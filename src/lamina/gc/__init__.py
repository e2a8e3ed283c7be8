"""gc: what may go, and removing it; what takes how much room; setting the store right after a death."""
