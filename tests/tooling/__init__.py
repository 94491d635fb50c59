"""What builds, checks and packs the project is tested like the rest of it."""
