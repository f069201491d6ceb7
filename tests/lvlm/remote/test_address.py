"""Where requests may go, and where not, in every spelling."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_graph.lvlm.remote import Endpoint, EndpointError, ask_endpoint, client
from api_graph.lvlm.remote.address import BadAddress, check_address, parse_base_url
from api_graph.lvlm.request import Answer, Request, Sampling
from tests.lvlm.remote.server import Server, status


@pytest.mark.parametrize(
    ("url", "origin", "path"),
    [
        ("https://api.openai.com/v1", "https://api.openai.com", "/v1"),
        ("https://API.OpenAI.com:443/v1/", "https://api.openai.com", "/v1"),
        ("https://hosted.example/v1beta/openai/", "https://hosted.example", "/v1beta/openai"),
        ("http://localhost:8000/v1", "http://localhost:8000", "/v1"),
        ("http://127.0.0.1:11434/v1", "http://127.0.0.1:11434", "/v1"),
        ("http://127.8.9.1/v1", "http://127.8.9.1", "/v1"),
        ("http://[::1]:30000", "http://[::1]:30000", ""),
        ("https://192.168.1.7:8443/v1", "https://192.168.1.7:8443", "/v1"),
        ("https://gpu-box/v1", "https://gpu-box", "/v1"),
        ("https://xn--bcher-kva.example/v1", "https://xn--bcher-kva.example", "/v1"),
    ],
)
def test_urls_that_may_be_asked(url: str, origin: str, path: str) -> None:
    found, found_path = parse_base_url(url)
    assert (str(found), found_path) == (origin, path)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        # plain http away from this machine
        ("http://api.openai.com/v1", "plain http"),
        ("http://localhost.evil.com/v1", "plain http"),
        ("http://192.168.1.7/v1", "plain http"),
        ("http://10.0.0.1/v1", "plain http"),
        ("http://[::ffff:192.168.1.7]/v1", "plain http"),
        # a user, who may look like a host
        ("http://127.0.0.1@evil.com/v1", "a user or a password"),
        ("https://user:hunter2@api.openai.com/v1", "a user or a password"),
        ("http://127.0.0.1\\@evil.com/v1", "characters"),
        # link-local and metadata, in all their spellings
        ("https://169.254.169.254/latest", "link-local"),
        ("http://169.254.169.254/latest", "link-local"),
        ("https://[::ffff:169.254.169.254]/", "link-local"),
        ("https://[::ffff:a9fe:a9fe]/", "link-local"),
        ("https://[64:ff9b::a9fe:a9fe]/", "link-local"),
        ("https://[2002:a9fe:a9fe::1]/", "link-local"),
        ("https://[fe80::1]/", "link-local"),
        ("https://[fd00:ec2::254]/", "link-local"),
        ("https://metadata.google.internal/v1", "metadata"),
        ("https://METADATA.google.internal/v1", "metadata"),
        ("https://100.100.100.200/", "metadata"),
        # unspecified, multicast, reserved
        ("https://0.0.0.0/", "reserved"),
        ("https://0.1.2.3/", "reserved"),
        ("https://[::]/", "reserved"),
        ("https://224.0.0.1/", "reserved"),
        ("https://255.255.255.255/", "reserved"),
        # numbers that some parsers take for addresses
        ("http://0x7f000001/v1", "neither a name nor an address"),
        ("http://2130706433/v1", "neither a name nor an address"),
        ("https://2852039166/", "neither a name nor an address"),
        ("https://0xa9.0xfe.0xa9.0xfe/", "neither a name nor an address"),
        ("https://0251.0376.0251.0376/", "neither a name nor an address"),
        ("https://127.1/", "neither a name nor an address"),
        ("https://169.254.43518/", "neither a name nor an address"),
        # other scripts, escapes, dots
        ("https://１６９.254.169.254/", "characters"),
        ("https://ⓔxample.com/", "characters"),
        ("https://bücher.example/", "characters"),
        ("https://exam%70le.com/", "characters"),
        ("https://example.com./v1", "neither a name nor an address"),
        ("https://a..b/v1", "neither a name nor an address"),
        ("https://[fe80::1%25eth0]/", "characters"),
        # no base URL
        ("https://h/v1?key=abc", "a query or a fragment"),
        ("https://h/v1?", "a query or a fragment"),
        ("https://h/v1#x", "a query or a fragment"),
        ("https://h/a/../b", "dotted parts"),
        ("https://h//evil.com", "dotted parts"),
        ("ftp://h/", "no http or https"),
        ("file:///etc/passwd", "no http or https"),
        ("//h/v1", "no http or https"),
        ("localhost:8000", "no http or https"),
        ("https://", "no http or https"),
        ("https://h:0/", "no http or https"),
        ("https://h:99999/", "no URL"),
        ("https://[::1", "no URL"),
        ("", "characters"),
        (" https://h/", "characters"),
        ("https://h/\r\nHost: evil", "characters"),
    ],
)
def test_urls_that_may_not(url: str, why: str) -> None:
    with pytest.raises(BadAddress, match=why) as raised:
        parse_base_url(url)
    assert not any(part in str(raised.value) for part in ("hunter2", "evil", "abc"))


@given(st.text(max_size=30) | st.text("0123456789abcdefx.:[]@/\\%-", max_size=40))
def test_no_text_is_too_odd(rest: str) -> None:
    """Plain http leads to this machine, whatever follows it; and the origin that was read is read again."""
    try:
        origin, path = parse_base_url(f"http://{rest}")
    except BadAddress:
        return
    assert origin.host == "localhost" or ipaddress.ip_address(origin.host).is_loopback
    assert parse_base_url(f"{origin}{path}") == (origin, path)


FORBIDDEN = ["169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4", "0.0.0.0/8"]


@given(st.sampled_from(FORBIDDEN).flatmap(lambda net: st.ip_addresses(network=net)), st.integers(0, 2**80 - 1))
def test_an_ipv4_address_is_refused_in_all_its_ipv6_forms(address: ipaddress.IPv4Address, low: int) -> None:
    number = int(address)
    forms = [
        address,
        ipaddress.IPv6Address((0xFFFF << 32) | number),
        ipaddress.IPv6Address((0x0064FF9B << 96) | number),
        ipaddress.IPv6Address((0x2002 << 112) | (number << 80) | low),
        ipaddress.IPv6Address((0x20010000 << 96) | (number ^ 0xFFFFFFFF)),  # Teredo keeps it inverted
    ]
    for form in forms:
        with pytest.raises(BadAddress):
            check_address("https", form)


# ------------------------------------------------------------------------------------------ names


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """From now on every name has these addresses."""

    async def look_up(host: str, port: int, family: int) -> list[tuple[int, str]]:
        return [(10 if ":" in address else 2, address) for address in addresses]

    monkeypatch.setattr(client, "look_up", look_up)


def ask(endpoint: Endpoint) -> Answer | Exception:
    (answer,) = ask_endpoint(endpoint, [Request("What?")], Sampling())
    return answer


@pytest.mark.parametrize(
    ("url", "addresses", "why"),
    [
        ("https://rebound-1.example/v1", ["169.254.169.254"], "leads to a link-local"),
        ("https://rebound-2.example/v1", ["203.0.113.7", "::ffff:169.254.169.254"], "leads to a link-local"),
        ("https://rebound-3.example/v1", ["fe80::1%eth0"], "leads to a link-local"),
        ("http://localhost:8001/v1", ["203.0.113.7"], "leads away from this machine over plain http"),
    ],
)
def test_what_a_name_resolves_to_is_checked(
    endpoint: Callable[..., Endpoint], monkeypatch: pytest.MonkeyPatch, url: str, addresses: list[str], why: str
) -> None:
    resolving(monkeypatch, *addresses)
    error = ask(endpoint(base_url=url))
    assert isinstance(error, EndpointError) and error.kind == "setup"
    assert f"endpoint local: the host's name {why}" in str(error)


def test_a_name_is_connected_to_where_it_was_checked(
    server: Server, endpoint: Callable[..., Endpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is one look-up: a name that says something else a moment later does not matter."""
    looks: list[str] = []

    async def look_up(host: str, port: int, family: int) -> list[tuple[int, str]]:
        looks.append(host)
        return [(2, "127.0.0.1" if len(looks) == 1 else "169.254.169.254")]

    monkeypatch.setattr(client, "look_up", look_up)
    answer = ask(endpoint(base_url=f"http://localhost:{server.port}/v1"))
    assert isinstance(answer, Answer) and looks == ["localhost"]


# ------------------------------------------------------------------------------------------ redirects, proxies


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(
    server: Server, other_server: Server, endpoint: Callable[..., Endpoint], code: int
) -> None:
    server.replies = [status(code, None, Location=f"{other_server.url}/chat/completions")]
    error = ask(endpoint())
    assert f"HTTP status {code}, a redirect. Redirects are not followed" in str(error)
    assert (len(server.seen), other_server.seen) == (1, [])


def test_no_proxy_is_taken_from_the_environment(
    server: Server, other_server: Server, endpoint: Callable[..., Endpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "OPENAI_BASE_URL"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{other_server.port}")
    assert isinstance(ask(endpoint()), Answer)
    assert (len(server.seen), other_server.seen) == (1, [])


def test_cookies_are_not_kept(server: Server, endpoint: Callable[..., Endpoint]) -> None:
    server.replies = [status(500, None, Set_Cookie="id=1; Path=/"), server.replies[0]]
    assert isinstance(ask(endpoint()), Answer)
    assert ["Cookie" in seen.headers for seen in server.seen] == [False, False]
