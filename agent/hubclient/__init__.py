"""The agent's link to its hub: joining, connecting, and what goes over the wire."""

import os

# gRPC's own handlers around fork break TLS streams when the agent starts its key tool or a credential plugin. What the
# agent starts execs at once and needs none of them. It must be said before grpc is imported.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
