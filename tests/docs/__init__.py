"""Holds the user's manual to the code: every setting, error code, metric, condition and command is told, and none that
is not there."""
