"""Where the keys are that a hub's secrets are encrypted with, by its settings."""

from __future__ import annotations

from hub.config import Settings
from hub.pki.keysource import KeyCommand, KeyFile, KeySource


def key_source(settings: Settings) -> KeySource:
    """Raises KeyFileError."""
    if settings.secret_key_command:
        return KeyCommand(settings.secret_key_command)
    return KeyFile(settings.secret_key_file or settings.data_dir / "secret.key")
