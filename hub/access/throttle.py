"""How often somebody may guess a password.

Every attempt counts as a failure when it begins, and is taken back when it succeeds: a hundred guesses sent at once
are a hundred, not one. Counted per account and address, so that nobody locks others out of their accounts, and per
address, so that one address cannot try one password on every account.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

FREE_PER_ACCOUNT = 5
"""Failures in a row before waiting begins, for one account from one address."""
FREE_PER_ADDRESS = 25
LONGEST_WAIT = timedelta(minutes=15)
FORGOTTEN_AFTER = timedelta(hours=1)
"""Without a further attempt."""
TABLE_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class _Failures:
    count: int
    last: datetime


class LoginThrottle:
    """Of this process; behind several API replicas a guesser gets as many times more."""

    def __init__(self) -> None:
        self._table: OrderedDict[tuple[str, str], _Failures] = OrderedDict()

    def __len__(self) -> int:
        return len(self._table)

    def begin(self, account: str, address: str, now: datetime) -> timedelta:
        """Return how long to wait before an attempt; when that is nothing, the attempt has begun and counts."""
        keys = _keys(account, address)
        wait = max(self._wait(key, free, now) for key, free in keys)
        if wait <= timedelta(0):
            for key, _ in keys:
                self._add(key, now)
        return max(wait, timedelta(0))

    def succeeded(self, account: str, address: str) -> None:
        """Forget the account's failures from there, and take the attempt back from the address."""
        (own, _), (whole, _) = _keys(account, address)
        self._table.pop(own, None)
        self._take_back(whole)

    def withdrawn(self, account: str, address: str) -> None:
        """The attempt came to no answer: it neither counts nor clears."""
        for key, _ in _keys(account, address):
            self._take_back(key)

    def _wait(self, key: tuple[str, str], free: int, now: datetime) -> timedelta:
        failures = self._table.get(key)
        if failures is None or now - failures.last > FORGOTTEN_AFTER or failures.count < free:
            return timedelta(0)
        pause = min(timedelta(seconds=2.0 ** min(failures.count - free, 20)), LONGEST_WAIT)
        return failures.last + pause - now

    def _add(self, key: tuple[str, str], now: datetime) -> None:
        known = self._table.pop(key, None)
        count = known.count if known and now - known.last <= FORGOTTEN_AFTER else 0
        self._table[key] = _Failures(count + 1, now)
        if len(self._table) > TABLE_LIMIT:
            self._table.popitem(last=False)

    def _take_back(self, key: tuple[str, str]) -> None:
        known = self._table.pop(key, None)
        if known and known.count > 1:
            self._table[key] = _Failures(known.count - 1, known.last)


def _keys(account: str, address: str) -> tuple[tuple[tuple[str, str], int], tuple[tuple[str, str], int]]:
    place = _place(address)
    return ((account[:64], place), FREE_PER_ACCOUNT), (("", place), FREE_PER_ADDRESS)


def _place(address: str) -> str:
    """Return what one guesser has of addresses: an IPv4 address, or a /64 of IPv6."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(ip, ipaddress.IPv6Address):
        return str(ip.ipv4_mapped or ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)
