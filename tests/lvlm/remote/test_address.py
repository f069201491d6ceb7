"""Where requests may go, and where not, in every spelling."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_graph.addresses import BadAddress, check_address, parse_base_url
from api_graph.errors import BadInput
from api_graph.lvlm.remote import Endpoint, EndpointError, ask_endpoint, profiles
from api_graph.lvlm.remote.profile import read_profile
from api_graph.lvlm.request import Answer, Request, Sampling
from tests.lvlm.remote.server import Server, running, status


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

    monkeypatch.setattr("api_graph.addresses.look_up", look_up)


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

    monkeypatch.setattr("api_graph.addresses.look_up", look_up)
    answer = ask(endpoint(base_url=f"http://localhost:{server.port}/v1"))
    assert isinstance(answer, Answer) and looks == ["localhost"]


# ------------------------------------------------------------------------------------------ private addresses

PRIVATE = ["10.0.0.1", "172.16.0.9", "172.31.255.254", "192.168.1.7", "fd12:3456::1", "::ffff:192.168.1.7", "127.0.0.1"]
NEVER = [
    "169.254.169.254",
    "::ffff:169.254.169.254",
    "fe80::1",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "100.100.100.200",
    "168.63.129.16",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
]
PUBLIC = [
    "8.8.8.8",
    "172.32.0.1",
    "100.64.0.1",
    "2001:4860:4860::8888",
    "64:ff9b::c0a8:107",
    "2002:c0a8:107::1",
    "fec0::1",
]


@pytest.mark.parametrize("address", [*PRIVATE, *NEVER, *PUBLIC])
def test_plain_http_to_private_addresses_where_the_owner_allows_it(address: str) -> None:
    url = f"http://[{address}]:11434/v1" if ":" in address else f"http://{address}:11434/v1"
    if address in PRIVATE:
        assert parse_base_url(url, allow_private=True)[1] == "/v1"
        if address != "127.0.0.1":
            with pytest.raises(BadAddress, match=r"private address over plain http.*`allow_private = true`"):
                parse_base_url(url)
    else:
        for private in (True, False):
            with pytest.raises(BadAddress, match="never asked" if address in NEVER else "leads away from this machine"):
                parse_base_url(url, allow_private=private)


@given(st.ip_addresses())
def test_what_is_allowed_is_private_or_this_machine(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    try:
        check_address("http", address, allow_private=True)
    except BadAddress:
        return
    assert address.is_private and not address.is_link_local


@pytest.mark.parametrize("host", ["ollama", "gpu-box.lan", "box.local", "host.docker.internal"])
def test_names_of_ones_own_network(host: str) -> None:
    assert parse_base_url(f"http://{host}:11434/v1", allow_private=True)[0].host == host
    with pytest.raises(BadAddress, match="`allow_private = true`"):
        parse_base_url(f"http://{host}:11434/v1")


def test_a_metadata_name_is_refused_whatever_the_profile_says() -> None:
    for scheme in ("http", "https"):
        with pytest.raises(BadAddress, match="metadata"):
            parse_base_url(f"{scheme}://metadata.google.internal/v1", allow_private=True)


@pytest.mark.parametrize("address", [*NEVER, *PUBLIC])
def test_the_addresses_of_a_private_name_are_checked(
    endpoint: Callable[..., Endpoint], monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    resolving(monkeypatch, "192.168.1.7", address)
    number = [*NEVER, *PUBLIC].index(address)  # a name of its own: what is looked up is kept for a while
    error = ask(endpoint(base_url=f"http://box-{number}:8001/v1", allow_private=True))
    assert isinstance(error, EndpointError) and error.kind == "setup"
    assert "endpoint local: the host's name leads " in str(error)


def test_a_private_server_is_asked_at_the_address_that_was_checked(
    server: Server, endpoint: Callable[..., Endpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name turns to a metadata address at once: nobody looks it up a second time."""
    looks: list[str] = []

    async def look_up(host: str, port: int, family: int) -> list[tuple[int, str]]:
        looks.append(host)
        return [(2, "127.0.0.1" if len(looks) == 1 else "169.254.169.254")]

    monkeypatch.setattr("api_graph.addresses.look_up", look_up)
    url = f"http://ollama:{server.port}/v1"
    answer = ask(endpoint(base_url=url, allow_private=True))
    assert isinstance(answer, Answer) and looks == ["ollama"]
    with pytest.raises(BadInput, match="plain http"):
        endpoint(base_url=url)


def test_an_allowed_connection_serves_no_other_profile(
    endpoint: Callable[..., Endpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A profile without the permission does not inherit it from one that has asked the same name."""
    resolving(monkeypatch, "192.168.1.7")
    error = ask(endpoint(base_url="http://localhost:8009/v1", retries=0))
    assert isinstance(error, EndpointError) and "private address over plain http" in str(error)


def test_only_the_file_allows_private_addresses(own_profiles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_profiles.write_text('[lan]\nbase_url = "http://192.168.1.7:11434/v1"\nallow_private = true\n')
    assert profiles()["lan"].allow_private
    own_profiles.write_text('[lan]\nbase_url = "http://192.168.1.7:11434/v1"\n')
    with pytest.raises(BadInput, match="allow_private"):
        profiles()
    own_profiles.write_text('[lan]\nbase_url = "https://box/v1"\nallow_private = true\n')
    monkeypatch.setenv("API_GRAPH_ENDPOINT_LAN_URL", "http://192.168.1.7:11434/v1")
    with pytest.raises(BadInput, match="allow_private"):
        profiles()
    monkeypatch.setenv("API_GRAPH_ENDPOINT_LAN_ALLOW_PRIVATE", "true")
    with pytest.raises(BadInput, match="is no setting of a profile"):
        profiles()


def test_over_the_machines_own_network() -> None:
    """A real private address, where this machine has one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
            own = ipaddress.ip_address(probe.getsockname()[0])
        except OSError:
            own = ipaddress.ip_address("127.0.0.1")
    if not any(own in ipaddress.ip_network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")):
        pytest.skip("this machine has no private address")
    with running(str(own)) as server:
        fields = {"base_url": f"http://{own}:{server.port}/v1", "models": ["m"]}
        answer = ask(Endpoint(read_profile("lan", {**fields, "allow_private": True}, "test"), "m"))
        assert isinstance(answer, Answer) and len(server.seen) == 1
        with pytest.raises(BadInput, match="plain http"):
            read_profile("lan", fields, "test")


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
