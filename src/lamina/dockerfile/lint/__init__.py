"""Rules about Dockerfiles as data, and the checks that need the text alone. Loaded for --check only."""
