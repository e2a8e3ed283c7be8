"""What insight.waste is made of: copies of files, caches, groups of what is wasted, changes that save it."""
