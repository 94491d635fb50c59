"""Which hosts are reached without the proxy, read as curl and Go read NO_PROXY, so that git and the hub agree."""

from __future__ import annotations

import ipaddress


def bypasses_proxy(host: str, port: int, no_proxy: str) -> bool:
    """Tell whether a host is reached directly. `no_proxy` holds names, which mean what is below them too, addresses,
    networks such as 10.0.0.0/8, each perhaps with a port, or "*"; with commas between."""
    return any(_matches(host.lower().strip("[]").rstrip("."), port, entry) for entry in no_proxy.lower().split(","))


def _matches(host: str, port: int, entry: str) -> bool:
    entry = entry.strip()
    if not entry:
        return False
    if entry == "*":
        return True
    name, colon, number = entry.rpartition(":")
    if colon and number.isdigit() and (":" not in name or name.endswith("]")):
        if int(number) != port:
            return False
        entry = name
    entry = entry.strip("[]")
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        suffix = entry.removeprefix("*").strip(".")
        return bool(suffix) and (host == suffix or host.endswith("." + suffix))
