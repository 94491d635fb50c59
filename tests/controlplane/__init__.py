"""A real Kubernetes control plane for tests and benches, without containers.

``build`` finds or builds the binaries, ``cluster`` runs them as plain processes on loopback, ``fixtures``
hands them to pytest. The pins are the Go modules under ``tools/``.
"""
