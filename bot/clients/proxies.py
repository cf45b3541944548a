"""The way to a server: which proxy, by the rules of Go, and a connection through it.

The engine, its providers, kubectl and vault are Go programs, and the bot has to go where they go:
https://pkg.go.dev/golang.org/x/net/http/httpproxy
"""

from __future__ import annotations

import base64
import ipaddress
import socket
import ssl
import threading
from collections.abc import Mapping
from select import select
from urllib.parse import SplitResult, unquote, urlsplit

_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_LONGEST_HEAD = 64 << 10
# RFC 1928 and RFC 1929.
_SOCKS, _NO_LOGIN, _LOGIN = 5, 0, 2
# ::ffff:0:0/96, in which IPv6 has the addresses of IPv4.
_MAPPED = 96
_NAME, _ADDRESSES = 3, {4: 1, 6: 4}
_ADDRESS_BYTES = {1: 4, 4: 16}


class ProxyError(OSError):
    """A proxy does not lead to the server; says why, without its login."""


def proxy_for(server: str, environment: Mapping[str, str]) -> str | None:
    """The proxy that the environment has for an http or https address; None for none."""
    try:
        parts = urlsplit(server)
        host, port = _ascii(parts.hostname or ""), parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return None
    name = f"{parts.scheme}_proxy"
    proxy = environment.get(name.upper()) or environment.get(name) or ""
    exempt = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    # Go compares this name as it is written.
    own = urlsplit(server).netloc.rpartition("@")[2].partition(":")[0] == "localhost"
    if not proxy or own or _exempt(host, port, exempt):
        return None
    return proxy if _parts(proxy) else f"http://{proxy}"


def kind(proxy: str) -> str:
    """`http`, `https`, `socks5` or another scheme; empty for what is no address."""
    parts = _parts(proxy)
    return parts.scheme if parts else ""


def shown(proxy: str) -> str:
    """Its address without the login."""
    parts = _parts(proxy)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts else "of no use"


def _parts(proxy: str) -> SplitResult | None:
    try:
        parts = urlsplit(proxy)
        usable = parts.scheme and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return parts if usable else None


def _exempt(host: str, port: int, listed: str) -> bool:
    """Whether `NO_PROXY` has the host, or it is this machine."""
    address = _address(host)
    if address and address.is_loopback:
        return True
    for each in (entry.strip().lower() for entry in listed.split(",")):
        if each == "*":
            return True
        if "/" in each and _network(each):
            if address and address in _network(each):  # type: ignore[operator]
                return True
            continue
        name, named_port = _split(each)
        if each.startswith("[") and not named_port:
            continue  # Go takes an address in brackets for a name where no port follows.
        if not name or (named_port and named_port != str(port)):
            continue
        if (known := _address(name)) or address:
            if known and address == known:
                return True
            continue
        domain = _ascii(name.removeprefix("*") if name.startswith("*.") else name)
        if host == domain or host.endswith(domain if domain[:1] == "." else f".{domain}"):
            return True
    return False


def _split(entry: str) -> tuple[str, str]:
    """Name and port; an address of IPv6 has colons of its own."""
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        return name, rest.removeprefix(":")
    if entry.count(":") != 1:
        return entry, ""
    name, _, port = entry.partition(":")
    return name, port


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        return found.ipv4_mapped or ipaddress.IPv6Address(int(found))  # without its zone
    return found


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """A network by the length of its prefix, as Go reads it: a mask in dots is none."""
    try:
        found = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    if not text.rpartition("/")[2].isdecimal():
        return None
    mapped = None if found.version == 4 else found.network_address.ipv4_mapped
    if mapped and found.prefixlen >= _MAPPED:
        return ipaddress.ip_network((mapped, found.prefixlen - _MAPPED))
    return found


def _ascii(name: str) -> str:
    if name.isascii():
        return name
    try:
        return name.encode("idna").decode()
    except UnicodeError:
        return name


def dial(
    host: str, port: int, proxy: str | None, seconds: float, context: ssl.SSLContext, name: str
) -> socket.socket:
    """A connection to the server, through the proxy where there is one; raises OSError.

    context, name: for a proxy that is spoken to over TLS, as Go has it the same as for the server;
    without a name the certificate must name the proxy's host.
    """
    if proxy is None:
        return socket.create_connection((host, port), seconds)
    parts = _parts(proxy)
    if parts is None or parts.scheme not in _PORTS:
        raise ProxyError(f"proxy {shown(proxy)}: only http, https and socks5 can be used")
    address = parts.hostname or ""
    try:
        found = socket.create_connection((address, parts.port or _PORTS[parts.scheme]), seconds)
    except OSError as error:
        raise ProxyError(f"proxy {shown(proxy)}: {error.strerror or error}") from None
    try:
        if parts.scheme in ("socks5", "socks5h"):
            _ask_socks(found, host, port, parts)
            return found
        if parts.scheme == "https":
            found = context.wrap_socket(found, server_hostname=name or address)
        _ask_http(found, host, port, parts)
        return _carried(found) if isinstance(found, ssl.SSLSocket) else found
    except BaseException:
        found.close()
        raise


def _login(parts: SplitResult) -> tuple[str, str] | None:
    if parts.username is None:
        return None
    return unquote(parts.username), unquote(parts.password or "")


def login_header(proxy: str) -> dict[str, str]:
    """The header with the login of an HTTP proxy, where its address has one."""
    parts = _parts(proxy)
    login = _login(parts) if parts else None
    if login is None:
        return {}
    return {"Proxy-Authorization": f"Basic {base64.b64encode(':'.join(login).encode()).decode()}"}


def _ask_http(found: socket.socket, host: str, port: int, parts: SplitResult) -> None:
    where = f"{f'[{host}]' if ':' in host else host}:{port}"
    lines = [f"CONNECT {where} HTTP/1.1", f"Host: {where}"]
    lines += [f"{key}: {value}" for key, value in login_header(parts.geturl()).items()]
    found.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode())
    head = b""
    # One by one: what comes after it belongs to the server.
    while not head.endswith(b"\r\n\r\n"):
        byte = found.recv(1)
        if not byte or len(head) > _LONGEST_HEAD:
            raise ProxyError(f"proxy {shown(parts.geturl())}: closed the connection")
        head += byte
    status = head.split(b"\r\n", 1)[0].decode("ascii", "replace").partition(" ")[2]
    if not status.startswith("200"):
        said = "".join(each for each in status if each.isprintable())[:80]
        raise ProxyError(f"proxy {shown(parts.geturl())}: {said}")


def _ask_socks(found: socket.socket, host: str, port: int, parts: SplitResult) -> None:
    def read(count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = found.recv(count - len(data))
            if not more:
                raise ProxyError(f"proxy {shown(parts.geturl())}: closed the connection")
            data += more
        return data

    def refuse(why: str) -> ProxyError:
        return ProxyError(f"proxy {shown(parts.geturl())}: {why}")

    login = _login(parts)
    ways = bytes([_NO_LOGIN] if login is None else [_NO_LOGIN, _LOGIN])
    found.sendall(bytes([_SOCKS, len(ways)]) + ways)
    version, way = read(2)
    if version != _SOCKS or way not in ways:
        raise refuse("wants a login" if version == _SOCKS else "is no SOCKS proxy")
    if way == _LOGIN and login:
        user, word = (each.encode()[:255] for each in login)
        found.sendall(bytes([1, len(user)]) + user + bytes([len(word)]) + word)
        if read(2)[1]:
            raise refuse("refused the login")
    address = _address(host)
    if address:
        named = bytes([_ADDRESSES[address.version]]) + address.packed
    else:
        # The proxy resolves it: it is there that the name is known.
        encoded = _ascii(host).encode()[:255]
        named = bytes([_NAME, len(encoded)]) + encoded
    found.sendall(bytes([_SOCKS, 1, 0]) + named + port.to_bytes(2, "big"))
    _, refused, _, sort = read(4)
    if refused:
        raise refuse(f"does not lead to {host}:{port} (SOCKS {refused})")
    read((_ADDRESS_BYTES.get(sort) or read(1)[0]) + 2)


def _carried(outer: ssl.SSLSocket) -> socket.socket:
    """A plain socket whose bytes go through a TLS one, so that TLS can be spoken within it."""
    ours, theirs = socket.socketpair()

    def carry() -> None:
        with outer, theirs:
            while True:
                ready = [outer] if outer.pending() else select([outer, theirs], [], [])[0]
                if theirs in ready:
                    data = theirs.recv(1 << 16)
                    if not data:
                        return
                    outer.setblocking(True)
                    outer.sendall(data)
                if outer in ready:
                    outer.setblocking(False)
                    try:
                        data = outer.recv(1 << 16)
                    except ssl.SSLWantReadError:
                        continue
                    if not data:
                        return
                    theirs.sendall(data)

    def until_closed() -> None:
        try:
            carry()
        except OSError:
            return

    threading.Thread(target=until_closed, daemon=True).start()
    ours.settimeout(outer.gettimeout())
    return ours
