"""The report of an image: all that is known of it on one page, which needs nothing but itself."""
