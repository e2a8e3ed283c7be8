"""New images from old ones, without a build: nothing is run, and the old image stays."""
