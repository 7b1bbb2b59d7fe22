"""The server of ``poet view``: it answers those who know its token, at its own address, and only what is asked for."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import socket
import sys
from collections.abc import Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from environments.errors import InputError
from experiments.page.document import json_bytes
from experiments.text import as_html
from experiments.view.overview import Overview
from experiments.view.watched import Watched

#: Where it listens unless asked otherwise: nothing but this machine can reach it.
LOOPBACK = "127.0.0.1"
_HTML, _JSON = "text/html; charset=utf-8", "application/json"
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",  # the pages have stricter ones of their own
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",  # the address holds the token
    "X-Content-Type-Options": "nosniff",
}
_WAITING = (
    '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="2"><title>{name}</title>'
    "<p>Nothing of {name} is recorded yet. This page looks again every two seconds.</p>"
)


class Server(ThreadingHTTPServer):
    """Serves the pages of some runs. Every address begins with the token, so that no other program can read them.

    Attributes:
        address: of the first page.
    """

    daemon_threads = True

    def __init__(self, runs: Sequence[Watched], host: str = LOOPBACK, port: int = 0) -> None:
        """Begin to listen.

        Args:
            runs: to be shown; of several there is an overview.
            host: the address to listen at.
            port: the same; 0 for any that is free.

        Raises:
            InputError: that is no address of this machine, or it is taken.
        """
        try:
            version = ipaddress.ip_address(host).version
        except ValueError:
            raise InputError(
                f"--host takes the address of a network interface, such as {LOOPBACK}, found {host!r}"
            ) from None
        self.address_family = socket.AF_INET6 if version == 6 else socket.AF_INET
        self.runs = runs
        self.overview = Overview(runs)
        self.host = host
        self.token = secrets.token_urlsafe(24)
        try:
            super().__init__((host, port), _Handler)
        except OSError as error:
            where = f"{host} port {port}" if port else host
            raise InputError(f"poet view cannot listen at {where} ({error.strerror}): name another one") from error
        shown = f"[{host}]" if ":" in host else host
        self.address = f"http://{shown}:{self.server_address[1]}/{self.token}/"

    def is_known_host(self, host: str | None) -> bool:
        """Whether a browser asked for this server by an address, not by a name that a stranger can let lead here."""
        name = urlsplit(f"//{host}").hostname
        if name in ("localhost", self.host):
            return True
        try:
            address = ipaddress.ip_address(name or "")
        except ValueError:
            return False
        return address.is_loopback or ipaddress.ip_address(self.host).is_unspecified

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Show what went wrong, unless a browser has only gone away."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        """Answer one question."""
        try:
            self._answer()
        except InputError as error:
            self._send(HTTPStatus.BAD_REQUEST, _JSON, json_bytes({"error": str(error)}))
        except ConnectionError:  # the browser has gone
            self.close_connection = True
        except (RuntimeError, OSError) as error:  # the disk, or a lock; the next question may find it well again
            self._send(HTTPStatus.SERVICE_UNAVAILABLE, _JSON, json_bytes({"error": str(error)}))

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing: the terminal shows the address."""

    def _answer(self) -> None:
        asked = urlsplit(self.path)
        _, token, *parts = asked.path.split("/")
        is_ours = hmac.compare_digest(token.encode(), self.server.token.encode())
        if not self.server.is_known_host(self.headers.get("Host")) or not is_ours:
            self._send(HTTPStatus.FORBIDDEN, _HTML, b"This address is not the one that poet view has said.")
            return
        if not parts:
            self.send_response(HTTPStatus.PERMANENT_REDIRECT)
            self.send_header("Location", f"/{self.server.token}/")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        values = {name: texts[-1] for name, texts in parse_qs(asked.query).items()}
        runs = self.server.runs
        if parts[0] == "run" and len(parts) == 3 and parts[1].isascii() and parts[1].isdecimal():
            place = int(parts[1])
            found = self._of_run(runs[place], parts[2], values) if place < len(runs) else None
        elif len(runs) == 1:
            found = self._of_run(runs[0], "/".join(parts), values)
        else:
            found = self._of_all("/".join(parts))
        if found is None:
            self._send(HTTPStatus.NOT_FOUND, _HTML, b"There is no such page.")
        else:
            self._send(HTTPStatus.OK, *found)

    def _of_run(self, run: Watched, what: str, values: dict[str, str]) -> tuple[str, bytes] | None:
        match what:
            case "":
                page = run.page() or _WAITING.format(name=as_html(run.name))
                return _HTML, page.encode("utf-8", "backslashreplace")
            case "news":
                return _JSON, json_bytes(run.news(values.get("since", "")))
            case "niche":
                return _JSON, json_bytes(run.niche(_number(values.get("id", ""))))
            case "thetas":
                numbers = [_number(text) for text in values.get("versions", "").split(",")]
                return _JSON, json_bytes(run.thetas(numbers))
            case "growth":
                return _JSON, json_bytes(run.growth())
        return None

    def _of_all(self, what: str) -> tuple[str, bytes] | None:
        match what:
            case "":
                return _HTML, self.server.overview.page().encode("utf-8", "backslashreplace")
            case "curves":
                return _JSON, json_bytes(self.server.overview.curves())
        return None

    def _send(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise InputError(f"an id is a whole number, found {text!r:.40}")
    return int(text)
