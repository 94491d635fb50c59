"""The agents' gateway: sessions, mailboxes, dispatch, status batching, liveness.

Gateway            the gRPC service: who is it, may it, and one Session per stream
├── Session        one agent: a mailbox of newest values going out, a bounded stream of reports coming in
├── Dispatcher     follows assignments in the store, fills mailboxes
├── Agreement      on connect: digests first, differences only
├── Reports        statuses, drift and operations of all agents, written in batches, then acknowledged
├── Liveness       who is connected since when, written in batches; heartbeats
└── Desk           questions to agents and their answers, wherever the asking role runs
"""

import os

# gRPC's own handlers around fork break TLS streams, and crash the child, when the hub starts git or a worker. What the
# hub starts execs at once and needs none of them. It must be said before grpc is imported.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
