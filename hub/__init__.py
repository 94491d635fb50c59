"""The hub: stores applications, reads Git, renders manifests and assigns them to the agents of a fleet."""

__version__ = "0.1.0"
