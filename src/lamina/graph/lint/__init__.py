"""The checks that need stages and variables, and what --call outline and targets tell of them."""
