"""What lies elsewhere, brought here: files over HTTP, trees out of Git repositories."""
