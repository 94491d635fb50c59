"""The agent: applies what the hub assigns to its one cluster, and goes on alone when the hub is away."""

__version__ = "0.1.0"
