"""The store on SQL databases: SQLite for one process, PostgreSQL for many.

One file per facet of the contract; `database` says how work is run, `sqlite` and `postgres` run it.
"""

from hub.store.sql.store import SqlStore

__all__ = ["SqlStore"]
