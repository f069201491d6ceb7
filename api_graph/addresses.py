"""Which servers may be reached: checked in a URL, and again in the addresses of its host.

Plain http may only reach this machine, and private addresses where the owner's profile allows those. Link-local
addresses, and those where clouds keep a machine's credentials, are always refused. Private addresses over https are
somebody's own server, and fine in a profile; a table's rows may come from anybody, and reach public ones alone.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from aiohttp.abc import ResolveResult

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_HINT = "Write for example https://api.example.com/v1 or http://localhost:8000/v1."
_DEFAULT_PORTS = {"http": 80, "https": 443}
# One spelling per URL: what two parsers could read differently is refused.
_CHARACTERS = re.compile(r"[A-Za-z0-9._~:/\[\]@+-]+")
_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_METADATA_NAMES = frozenset(
    {"metadata", "metadata.goog", "metadata.google.internal", "instance-data", "instance-data.ec2.internal"}
)
_METADATA_ADDRESSES = frozenset(
    ipaddress.ip_address(text)
    for text in ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192")
)
_METADATA_NETWORK = ipaddress.ip_network("fd00:ec2::/32")
_PRIVATE = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")))
_AWAY = "leads away from this machine over plain http. Use https, or a tunnel to localhost."
_TO_PRIVATE = (
    "leads to a private address over plain http. Use https, or a tunnel to localhost; the profile's file may say "
    "`allow_private = true`."
)
_NOT_PUBLIC = "leads to this machine or to a private address, which a table reaches only with --allow-private."
_OWN_NETWORK = "For a server on a network of your own there is `allow_private = true` in the profile's file."
_NEARBY = re.compile(r"^[^.]*$|\.(?:local|lan|internal|home|home\.arpa|localdomain|docker)$")
_THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Origin(NamedTuple):
    """Scheme, host and port of a server, all in lower case: what a key is bound to."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = self.port == _DEFAULT_PORTS[self.scheme]
        return f"{self.scheme}://{host}" + ("" if usual else f":{self.port}")


class BadAddress(ValueError):
    """A URL or an address that must not be used. The text says why, and does not repeat it."""


def parse_base_url(url: str, *, allow_private: bool = False, public: bool = False) -> tuple[Origin, str]:
    """Origin and path (without a `/` at its end) of a base URL. Raises BadAddress for one that must not be used.

    With `allow_private` plain http may lead to any name, whose addresses are checked when it is asked. `public` is as
    in `check_address`.
    """
    if "?" in url or "#" in url:
        raise BadAddress(f"has a query or a fragment. {_HINT}")
    if not _CHARACTERS.fullmatch(url):
        raise BadAddress(f"has characters that no base URL has; write other scripts' names as xn--... {_HINT}")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise BadAddress(f"is no URL. {_HINT}") from None
    if "@" in url:
        raise BadAddress("has a user or a password in it. Put the key into an environment variable, and name that.")
    if parts.scheme not in _DEFAULT_PORTS or not host or port == 0:
        raise BadAddress(f"is no http or https URL. {_HINT}")
    if any(part in (".", "..", "") for part in parts.path.rstrip("/").split("/")[1:]):
        raise BadAddress(f"has a path with empty or dotted parts. {_HINT}")
    _check_host(parts.scheme, host, allow_private=allow_private, public=public)
    return Origin(parts.scheme, host, port or _DEFAULT_PORTS[parts.scheme]), parts.path.rstrip("/")


def check_address(scheme: str, address: IpAddress, *, allow_private: bool = False, public: bool = False) -> None:
    """Raise BadAddress for an IP address that must not be reached with this scheme; with `public`, if it is private."""
    meant = _embedded(address)
    if (
        meant.is_link_local
        or meant.is_multicast
        or meant.is_unspecified
        or meant in _METADATA_ADDRESSES
        or meant in _METADATA_NETWORK
        or (meant.version == 4 and (meant.is_reserved or meant in _THIS_NETWORK))
    ):
        raise BadAddress("leads to a link-local, metadata or reserved address, which is never asked. Name another.")
    if public and not (meant.is_global and address.is_global):
        raise BadAddress(_NOT_PUBLIC)
    if scheme != "http" or meant.is_loopback:
        return
    # What is only embedded in an address goes through somebody's gateway first.
    private = any(
        (address.ipv4_mapped or address) in net if address.version == 6 else address in net for net in _PRIVATE
    )
    if not private:
        raise BadAddress(_AWAY)
    if not allow_private:
        raise BadAddress(_TO_PRIVATE)


def _check_host(scheme: str, host: str, *, allow_private: bool, public: bool) -> None:
    literal = _literal(host)
    if literal is not None:
        check_address(scheme, literal, allow_private=allow_private, public=public)
    elif not _HOST_NAME.fullmatch(host) or _NUMBER.fullmatch(host.rpartition(".")[2]):
        # 0x7f000001, 2130706433 and 127.1 are addresses to some parsers, and names to others.
        raise BadAddress(f"has a host that is neither a name nor an address in its usual form. {_HINT}")
    elif host in _METADATA_NAMES:
        raise BadAddress("leads to a cloud's metadata server, which is never asked. Name another.")
    elif scheme == "http" and host != "localhost" and not allow_private:
        raise BadAddress(f"{_AWAY} {_OWN_NETWORK}" if _NEARBY.search(host) else _AWAY)


def _literal(host: str) -> IpAddress | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _embedded(address: IpAddress) -> IpAddress:
    """The IPv4 address that an IPv6 address stands for; else the address itself."""
    if address.version == 4:
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None) or address


class CheckedResolver:
    """Looks up names, and refuses forbidden addresses. aiohttp connects to what it found, with no second look-up."""

    def __init__(self, scheme: str, allow_private: bool, *, public: bool = False) -> None:
        self._scheme, self._allow_private, self._public = scheme, allow_private, public

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_UNSPEC) -> list[ResolveResult]:
        """Addresses of `host`, as aiohttp's resolvers give them. Raises BadAddress if one of them is forbidden."""
        found: list[ResolveResult] = []
        for found_family, address in await look_up(host, port, family):
            checked = ipaddress.ip_address(address.partition("%")[0])
            check_address(self._scheme, checked, allow_private=self._allow_private, public=self._public)
            found.append(
                {
                    "hostname": host,
                    "host": address,
                    "port": port,
                    "family": found_family,
                    "proto": socket.IPPROTO_TCP,
                    "flags": socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
                }
            )
        return found

    async def close(self) -> None:
        """There is nothing to close."""


async def look_up(host: str, port: int, family: int) -> list[tuple[int, str]]:
    """Family and text of each address of a name, from the system. Raises OSError."""
    import asyncio

    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
    return [(found_family, str(address[0])) for found_family, _, _, _, address in found]
