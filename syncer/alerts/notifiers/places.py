"""Decides which addresses a notification may be sent to; pure."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

# Where clouds answer with a machine's credentials: no recipient of notifications lives there.
_METADATA = tuple(
    ip_network(text)
    for text in ("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128", "100.100.100.200/32", "168.63.129.16/32")
)
_NAT64 = ip_network("64:ff9b::/96")


def may_connect(address: str, *, private: bool) -> bool:
    """Return whether a message may go to this numeric address: never metadata, and private networks if `private`."""
    inner = _inner(ip_address(address.partition("%")[0]))
    if any(inner in network for network in _METADATA):
        return False
    return private or inner.is_global


def is_refused_literal(host: str, *, private: bool) -> bool:
    """Return whether `host` is written as an address, and one that may not be connected to; a proxy might else."""
    try:
        return not may_connect(host, private=private)
    except ValueError:
        return False


def _inner(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address that an IPv6 address stands for, or the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or address
