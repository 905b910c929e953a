"""Reads pages as a browser without scripts does: sends forms, keeps cookies, follows redirects."""

from __future__ import annotations

import http.client
from contextlib import closing
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin


@dataclass
class Looked:
    """A page: its status, headers by lower-case name, text and address."""

    status: int
    headers: dict[str, str]
    text: str
    path: str


@dataclass
class Reader:
    """One browser. cookies: what it has been given, by name."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    def look(self, path: str) -> Looked:
        """A page, after redirects."""
        return self._follow(self.step(path))

    def step(self, path: str) -> Looked:
        """What is at an address itself, be it a redirect."""
        return self._ask("GET", path, None, {})

    def send(self, path: str, fields: dict[str, str], come_from: str = "", **more: str) -> Looked:
        """What comes of a form that stands on a page of ours, after redirects."""
        headers = {"content-type": "application/x-www-form-urlencoded"}
        headers |= {"referer": f"http://127.0.0.1:{self.port}{come_from}"} if come_from else {}
        own = {"origin": f"http://127.0.0.1:{self.port}", "sec-fetch-site": "same-origin"}
        return self._follow(
            self._ask("POST", path, urlencode(fields).encode(), {**own, **headers, **more})
        )

    def upload(self, path: str, fields: dict[str, str], name: str, data: bytes) -> Looked:
        """What comes of a form with a file."""
        parts = [
            f'--b\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode()
            for k, v in fields.items()
        ]
        about = f'form-data; name="{name}"; filename="f"'
        parts.append(f"--b\r\nContent-Disposition: {about}\r\n\r\n".encode() + data + b"\r\n--b--")
        headers = {
            "content-type": "multipart/form-data; boundary=b",
            "sec-fetch-site": "same-origin",
        }
        return self._follow(self._ask("POST", path, b"".join(parts), headers))

    def _follow(self, looked: Looked) -> Looked:
        while looked.status == 303:
            to = urljoin(looked.path, looked.headers["location"])
            looked = self._ask("GET", to, None, {})
        return looked

    def _ask(self, method: str, path: str, body: bytes | None, more: dict[str, str]) -> Looked:
        headers = {"accept": "text/html,*/*;q=0.8", **self.headers, **more}
        if self.cookies:
            headers["cookie"] = "; ".join(f"{name}={v}" for name, v in self.cookies.items())
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as line:
            line.request(method, path, body, headers)
            answer = line.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            for given in answer.headers.get_all("set-cookie") or ():
                name, _, value = given.partition(";")[0].partition("=")
                self.cookies[name] = value
            return Looked(answer.status, told, answer.read().decode(), path)


class Seen(HTMLParser):
    """What stands on a page: every tag with its attributes, and the text that is read."""

    def __init__(self, looked: Looked) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(looked.text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        """The text of the page, a blank between its pieces."""
        return " ".join(" ".join(self.words).split())

    @property
    def fields(self) -> dict[str, str]:
        """What the first form of a model says as it stands: values by name, but for files."""
        found: dict[str, str] = {}
        for tag, about in self.tags:
            name = about.get("name")
            if tag == "input" and name and about.get("type") != "file":
                found.setdefault(name, about.get("value") or "")
        return found

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every tag of a kind."""
        return [about for name, about in self.tags if name == tag]
