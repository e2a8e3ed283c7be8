"""Questions to a big store: who, blame and sql over 1,000 images, 5,000 layers and 2,000,000 files."""
