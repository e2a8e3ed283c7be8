"""Lamina beside other tools of the field, which build and read the same things."""
