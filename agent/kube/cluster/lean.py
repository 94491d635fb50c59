"""aiohttp, imported without what it makes of the system's authorities.

It builds two TLS contexts as it is imported, one with every authority the system trusts: 2 MB that nothing here uses,
for each connection has a context of its own (`agent.kube.cluster.tls`).
"""

from __future__ import annotations

import os
import ssl

_NAMES = (ssl.get_default_verify_paths().openssl_cafile_env, ssl.get_default_verify_paths().openssl_capath_env)
_before = {name: os.environ.get(name) for name in _NAMES}
os.environ.update(dict.fromkeys(_NAMES, os.devnull))
try:
    import aiohttp
finally:
    for _name, _value in _before.items():
        if _value is None:
            del os.environ[_name]
        else:
            os.environ[_name] = _value

__all__ = ["aiohttp"]
