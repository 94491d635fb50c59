"""What people write and read: YAML and JSON texts, Argo CD's objects and Escadre's own, to and from the domain.

Both the API and the command line use it, so it does no I/O and knows nothing of either.
"""
