"""The routes, one file for each subject. They check who may, ask the store or the desk, and convert; what reply bodies
look like is in `hub.api.models`."""
