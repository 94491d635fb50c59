"""A real PostgreSQL server for tests: see ``fixtures``."""
