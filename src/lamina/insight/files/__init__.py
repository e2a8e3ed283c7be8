"""The files of an image, or of a state between its layers: ls, find, grep, tree, cat; nothing is mounted."""
