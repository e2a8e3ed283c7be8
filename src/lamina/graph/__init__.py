"""From instructions to a plan: stages, steps, cache keys, history. Pure: no files, no clock, no database."""
