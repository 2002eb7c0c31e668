"""Access to the page: only for the browser that opened the printed address, by its own host name.

The address carries a secret. The first request with it gets a cookie, as Jupyter does; every later request needs the
cookie. So another user of the same machine, who can reach the port, cannot use the playground.
"""

import hmac
import secrets

from aiohttp import web

PARAMETER = "token"


class PageAccess:
    """The secret of one server. Cookies ignore ports, so the cookie's name contains the port."""

    def __init__(self) -> None:
        self.secret = secrets.token_urlsafe(32)
        self._names: set[str] = set()
        self._cookie = ""

    def listen_on(self, host: str, port: int) -> None:
        """Accept requests to this address from now on."""
        self._names = {f"{host}:{port}", f"localhost:{port}"}
        self._cookie = f"dreambot-playground-{port}"

    def check(self, request: web.Request) -> None:
        """Raises HTTPMisdirectedRequest for a foreign host name (DNS rebinding), HTTPForbidden for all else."""
        if request.host not in self._names:
            raise web.HTTPMisdirectedRequest(text="This is not a host name of the playground.")
        origin = request.headers.get("Origin")
        own_origin = origin in {f"http://{name}" for name in self._names}
        trusted = own_origin if origin is not None or request.method not in ("GET", "HEAD") else True
        if not trusted or request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
            raise web.HTTPForbidden(text="Only the playground's own page may send this request.")
        if not self._equal(request.cookies.get(self._cookie, "")) and not self._opens(request):
            raise web.HTTPForbidden(
                text="Open the complete address that the playground printed at its start. It contains a secret token."
            )

    def grant(self, request: web.Request, response: web.StreamResponse) -> None:
        """Set the cookie where the request brought the secret."""
        if self._opens(request):
            response.set_cookie(self._cookie, self.secret, path="/", httponly=True, samesite="Strict")

    def _opens(self, request: web.Request) -> bool:
        return request.path == "/" and self._equal(request.query.get(PARAMETER, ""))

    def _equal(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(errors="replace"), self.secret.encode())
