"""What differs from one place to the other."""

DEBUG = False
