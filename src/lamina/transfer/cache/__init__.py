"""Build caches that machines share: records and layers in a registry, a folder, or inside of an image."""
