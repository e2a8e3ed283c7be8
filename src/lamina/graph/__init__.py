"""From instructions to a plan: stages, steps, cache keys and history. Pure: no files, no clock, no database."""
