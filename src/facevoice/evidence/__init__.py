"""A file, arrays or a live stream -> evidence: who is seen, what is heard, window by window."""
