"""What a layer costs that comes in parts, beside one that comes whole, over lines of several kinds."""
