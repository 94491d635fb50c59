"""The commands, one file for each; every file has its command as `command`."""
