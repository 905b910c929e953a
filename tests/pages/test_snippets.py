"""Code to paste says what the form says, whatever columns are called and rows hold."""

from __future__ import annotations

import ast
import json
import shlex

import pytest

from fairlead.pages.snippets import snippets

BASE = "http://127.0.0.1:8080"
HOSTILE = [
    "'; touch /tmp/x; '",
    "$(touch /tmp/x) `id` ${HOME} !! \\",
    '"""+__import__("os").system("id")+"""',
    '"}); alert(1); ({"',
    "a\nb\r\n# c\x1b[201~\x00",
    "-d @/etc/passwd",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("keyed", [True, False])
def test_what_is_pasted_holds_the_row_and_runs_nothing_of_it(text, keyed):
    row = {text: text, "usual": 1.5}
    code = {one.id: one.code for one in snippets(BASE, "iris", row, keyed=keyed)}
    words = shlex.split(code["curl"])
    assert words[:2] == ["curl", f"{BASE}/predict/iris"]
    assert json.loads(words[-1]) == row
    for name in ("python", "grpc"):
        calls = [n for n in ast.walk(ast.parse(code[name])) if isinstance(n, ast.Call)]
        asked = next(c for c in calls if getattr(c.func, "attr", "") == "predict")
        assert ast.literal_eval(asked.args[1]) == [row]
        assert {ast.unparse(c.func) for c in calls} == {
            "fairlead.Client",
            "client.predict",
            "print",
        }
    sent = code["javascript"].partition("JSON.stringify(")[2].partition("),\n});")[0]
    assert json.loads(sent) == row


def test_a_row_of_many_values_is_cut_and_says_so():
    row = {f"c{n}": 0.0 for n in range(5000)}
    for one in snippets(BASE, "iris", row, keyed=False):
        assert "what is long is cut here" in one.code
        assert "c199" in one.code
        assert "c200" not in one.code
