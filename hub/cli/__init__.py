"""The command line `escadre`: what people and scripts use a hub with.

It knows the REST API and the formats of files, and nothing else of the hub.
"""
