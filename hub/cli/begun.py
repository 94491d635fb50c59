"""Imported by the program before anything else: from here on it is being loaded, until it calls `loading.end`."""

from hub.cli.loading import begin

BEGAN = begin()
