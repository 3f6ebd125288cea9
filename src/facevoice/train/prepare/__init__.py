"""A corpus folder -> a prepared folder: decoded, aligned and cleaned once."""
