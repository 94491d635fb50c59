"""How often one address may knock without having proved anything."""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta

from hub.errors import TooManyRequests
from hub.pki.limits import Allowance

_WINDOW = timedelta(minutes=1)
_ADDRESSES = 10_000


class Door:
    """Of this process; behind several API replicas an address gets as many times more."""

    def __init__(self, per_minute: int) -> None:
        self._allowance = Allowance(per_minute, _WINDOW, keys=_ADDRESSES)

    def take(self, address: str, now: datetime) -> None:
        """Raises TooManyRequests."""
        if not self._allowance.take(_place(address), now):
            raise TooManyRequests(
                "too many requests from this address within a minute: try again later",
                retry_after=_WINDOW.total_seconds(),
            )


def _place(address: str) -> str:
    """Return what one caller has of addresses: an IPv4 address, or a /64 of IPv6."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(ip, ipaddress.IPv6Address):
        return str(ip.ipv4_mapped or ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)
