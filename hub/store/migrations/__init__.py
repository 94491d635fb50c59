"""The schema's history. `versions/` holds one file per change; the first makes every table."""
