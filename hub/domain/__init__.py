"""The pure part of the hub: the vocabulary of Escadre, and decisions over it.

Values are frozen dataclasses that any layer may hold; nothing here does I/O, reads a clock or imports a framework.
"""
