"""A prediction as code to paste: for the shell, for Python, for JavaScript, over gRPC."""

from __future__ import annotations

import json
import shlex
from itertools import islice
from typing import Any, NamedTuple, cast


class Snippet(NamedTuple):
    """Code that asks for one prediction. name: of its language, as people say it."""

    id: str
    name: str
    code: str


_LONGEST, _MOST_VALUES = 1200, 200


def snippets(base: str, model: str, row: Any, *, keyed: bool) -> list[Snippet]:
    """The same prediction in four languages.

    base: where the server is reached, such as `http://127.0.0.1:8080`. keyed: callers need a key.
    row: an example; a long value is cut, and said to be. gRPC is spoken on the same port.
    """
    row, cut = _short(row)
    body = json.dumps(row, ensure_ascii=False)
    url = f"{base}/predict/{model}"
    host = base.partition("://")[2]
    secure = base.startswith("https")
    note = "# what is long is cut here\n" if cut else ""
    lines = [f"curl {shlex.quote(url)} \\"]
    lines += ['  -H "Authorization: Bearer $FAIRLEAD_KEY" \\'] * keyed
    lines += ["  -H 'Content-Type: application/json' \\", f"  -d {shlex.quote(body)}"]
    shell = note + "\n".join(lines)
    key = ', key=os.environ["FAIRLEAD_KEY"]' if keyed else ""
    imports = "import os\n" if keyed else ""
    python = (
        f"{note}{imports}import fairlead\n\n"
        f"with fairlead.Client({base!r}{key}) as client:\n"
        f"    print(client.predict({model!r}, [{row!r}]))\n"
    )
    headers = {"Content-Type": "application/json"}
    sent = json.dumps(headers)
    if keyed:
        sent = sent[:-1] + ', "Authorization": `Bearer ${process.env.FAIRLEAD_KEY}`}'
    script = (
        f"{note.replace('#', '//')}const answer = await fetch({json.dumps(url)}, {{\n"
        f'  method: "POST",\n  headers: {sent},\n  body: JSON.stringify({body}),\n}});\n'
        "console.log(await answer.json());\n"
    )
    scheme = "grpcs" if secure else "grpc"
    over = (
        f"{note}{imports}import fairlead  # pip install 'fairlead[grpc]'\n\n"
        f"with fairlead.Client({f'{scheme}://{host}'!r}{key}) as client:\n"
        f"    print(client.predict({model!r}, [{row!r}]))\n"
    )
    return [
        Snippet("curl", "curl", shell),
        Snippet("python", "Python", python),
        Snippet("javascript", "JavaScript", script),
        Snippet("grpc", "gRPC", over),
    ]


def _short(row: Any) -> tuple[Any, bool]:
    """A row as people can read it, and whether some of it was left out."""
    if not isinstance(row, dict):
        return row, False
    values = cast("dict[str, Any]", row)
    cut = len(values) > _MOST_VALUES
    made: dict[str, Any] = {}
    for name, value in islice(values.items(), _MOST_VALUES):
        text = value if isinstance(value, str) else json.dumps(value)
        if len(text) > _LONGEST:
            cut = True
            value = f"{text[:60]}..."
        made[name] = value
    return made, cut
