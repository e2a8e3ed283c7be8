"""Drawing what a build does while it does it: plain lines, a live terminal, or nothing."""
