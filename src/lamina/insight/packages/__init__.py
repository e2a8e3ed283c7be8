"""Which packages an image has, and which layer brought each one."""
