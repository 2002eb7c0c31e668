"""One HTTP request for the bytes of a file from some position on.

Only http and https. At most `MAX_REDIRECTS` redirects: none from https to http, and none from a public address to an
inner one (loopback, private, link-local), where a hostile server could read what only this machine may.
"""

from __future__ import annotations

import email.message
import http
import http.client
import ipaddress
import re
import socket
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import IO, Any

MAX_REDIRECTS = 5
SCHEMES = ("http", "https")


class SourceFailed(Exception):
    """This address does not provide the file; another one may."""


class Interrupted(SourceFailed):
    """The same address may work in a moment."""


class OtherVersion(Exception):
    """The server offers another version of the file than the bytes that are already here."""


@dataclass(frozen=True)
class Response:
    """An HTTP response whose body has not been read."""

    body: http.client.HTTPResponse
    start: int
    """Where in the file the body begins."""
    total: int | None
    """Bytes of the whole file, if the server says."""
    validator: str
    """What tells this version of the file from others: a strong ETag or a date; empty if there is neither."""
    framed: bool
    """Whether an early end would be noticed."""


def request_from(url: str, start: int, validator: str, timeout: float) -> Response | None:
    """Requests *url* from byte *start* on, or from 0 if it is no longer the version *validator*.

    Returns None if the file ends at *start*. Raises SourceFailed or Interrupted. *timeout*: seconds of silence.
    """
    check_scheme(url)
    headers = {"User-Agent": "dreambot", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if validator:
            headers["If-Range"] = validator
    try:
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the scheme was checked
        body = _opener().open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        if start and error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            ends_there = error.headers.get("Content-Range", "") == f"bytes */{start}"
            same = not _differs(error.headers, validator)
            return None if ends_there and same else request_from(url, 0, "", timeout)
        if error.code < http.HTTPStatus.BAD_REQUEST:
            raise SourceFailed("too many redirects, or a redirect away from HTTP") from error
        again = error.code >= http.HTTPStatus.INTERNAL_SERVER_ERROR or error.code == http.HTTPStatus.TOO_MANY_REQUESTS
        raise (Interrupted if again else SourceFailed)(f"it answers {error.code} {error.reason}") from error
    except (ValueError, OverflowError, http.client.InvalidURL) as error:  # OverflowError: of a port
        raise SourceFailed(f"its address cannot be used: {error}") from error
    except (OSError, http.client.HTTPException) as error:
        raise Interrupted(_reason(error)) from error
    try:
        return _answer(body, start, validator)
    except OtherVersion:
        return request_from(url, 0, "", timeout)


def check_scheme(url: str) -> None:
    """Raises SourceFailed unless *url* is http or https."""
    try:
        scheme = urllib.parse.urlsplit(url).scheme.lower()
    except ValueError as error:
        raise SourceFailed(f"its address cannot be used: {error}") from error
    if scheme not in SCHEMES:
        raise SourceFailed(f"“{url}” is not an http or https address")


def host(url: str) -> str:
    """Host name of *url*, for messages."""
    try:
        return urllib.parse.urlsplit(url).hostname or url
    except ValueError:
        return url


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Applies the rules of this module to each redirect."""

    max_redirections = MAX_REDIRECTS

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        check_scheme(newurl)
        inner_allowed = getattr(req, "inner_allowed", None)
        if inner_allowed is None:  # the first redirect: only a host that named an inner source meant one
            inner_allowed = is_inner_host(req.host)
        if req.type == "https" and urllib.parse.urlsplit(newurl).scheme == "http":
            raise SourceFailed(f"it redirects from https to http ({host(newurl)})")
        if not inner_allowed and is_inner_host(urllib.parse.urlsplit(newurl).netloc):
            raise _leads_inside(host(newurl))
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        if following is not None:
            following.inner_allowed = inner_allowed  # type: ignore[attr-defined]
        return following


class _PublicHTTP(http.client.HTTPConnection):
    """Refuses an inner peer before the request is sent: a name may resolve to another address the second time."""

    def connect(self) -> None:
        super().connect()
        _check_peer(self)


class _PublicHTTPS(http.client.HTTPSConnection):
    """The same over TLS."""

    def connect(self) -> None:
        super().connect()
        _check_peer(self)


class _HTTP(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_PublicHTTP if _must_be_public(req) else http.client.HTTPConnection, req)


class _HTTPS(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_PublicHTTPS if _must_be_public(req) else http.client.HTTPSConnection, req)


def _must_be_public(request: urllib.request.Request) -> bool:
    # A proxy may well be an inner address; what it connects to is its business.
    return getattr(request, "inner_allowed", None) is False and not request.has_proxy()


def _check_peer(connection: http.client.HTTPConnection) -> None:
    if is_inner(connection.sock.getpeername()[0]):
        connection.close()
        raise _leads_inside(connection.host)


def _leads_inside(name: str) -> SourceFailed:
    return SourceFailed(f"it redirects to an address of this network ({name})")


def is_inner_host(netloc: str) -> bool:
    """Whether *netloc* (``host`` or ``host:port``) names, or resolves to, an address that is not public."""
    name = urllib.parse.urlsplit(f"//{netloc}").hostname or ""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # the request itself will say that it cannot be reached
        return False
    return any(is_inner(str(address[0])) for *_, address in found)


def is_inner(address: str) -> bool:
    """Whether an IP address is not public: loopback, private, link-local, reserved."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        return not found.ipv4_mapped.is_global
    return not found.is_global


def _opener() -> urllib.request.OpenerDirector:
    """An opener without the handlers for files and FTP that urllib adds."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        _HTTP(),
        _HTTPS(),
        urllib.request.HTTPDefaultErrorHandler(),
        _Redirects(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _answer(body: Any, start: int, validator: str) -> Response:
    """Reads the headers. A server that ignores ranges begins at 0. Raises OtherVersion for a part of another file."""
    length = _number(body.headers.get("Content-Length"))
    framed = length is not None or body.headers.get("Transfer-Encoding", "").lower() == "chunked"
    if body.status == http.HTTPStatus.PARTIAL_CONTENT:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", body.headers.get("Content-Range", "").strip())
        if not found or _number(found[1]) != start:
            body.close()
            raise SourceFailed("it sends another part of the file than it was asked for")
        if _differs(body.headers, validator):
            body.close()
            raise OtherVersion
        return Response(body, start, _number(found[2]), _validator(body.headers), framed)
    if body.status != http.HTTPStatus.OK:
        body.close()
        raise SourceFailed(f"it answers {body.status}")
    return Response(body, 0, length, _validator(body.headers), framed)


def _validator(headers: email.message.Message) -> str:
    etag = headers.get("ETag", "")
    return etag if etag.startswith('"') else headers.get("Last-Modified", "")


def _differs(headers: email.message.Message, validator: str) -> bool:
    """Whether the answer names another version than *validator*. A server may ignore If-Range and send a part of it."""
    found = _validator(headers)
    return bool(validator and found and found != validator)


def _number(text: str | None) -> int | None:
    """A byte count; None for anything else, also for more digits than any file needs."""
    return int(text) if text and re.fullmatch(r"[0-9]{1,18}", text) else None


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError) or isinstance(getattr(error, "reason", None), TimeoutError):
        return "it does not answer"
    inner = getattr(error, "reason", error)
    return f"it cannot be reached: {getattr(inner, 'strerror', None) or inner or type(inner).__name__}"
