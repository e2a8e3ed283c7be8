"""Images in and out of the store: registered, saved, loaded, imported, exported."""

from lamina.transfer.loaded import LoadedImage as LoadedImage
