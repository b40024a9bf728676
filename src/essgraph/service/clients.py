"""Which client a request is from, for the limits of one client."""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network

from starlette.types import Scope


def client_of(scope: Scope) -> str:
    """The client of a request (see ``client_at``); empty where that is not known."""
    return client_at(scope["client"][0] if scope["client"] else "")


def client_at(host: str) -> str:
    """The client at an address: of IPv6 its network of 64 bits, of which a client may have any
    address (RFC 4291, 2.5.1; RFC 8981)."""
    return _network(host) if ":" in host else host


def _network(host: str) -> str:
    try:
        address = IPv6Address(host)
    except ValueError:  # a proxy may say anything
        return host
    return str(address.ipv4_mapped or IPv6Network((int(address), 64), strict=False))
