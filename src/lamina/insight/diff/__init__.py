"""What differs between two states: files, config, history, packages; and why two equal builds are not."""
