"""Escadre, shown: one hub and three agents as real processes, and what a commit, an edit and an outage do."""
