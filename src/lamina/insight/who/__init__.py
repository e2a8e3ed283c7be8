"""Who has it: which images, layers and containers of the whole store hold a file or a package."""
