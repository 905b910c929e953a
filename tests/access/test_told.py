"""What a caller is told of its limits."""

import re

import pytest
from tests.access.parts import NOW, SECOND, Limiter, caller

from fairlead.access.told import headers, retry_after
from fairlead.core.allowance import Cost
from fairlead.core.errors import ResourceExhausted


def test_each_limit_of_the_caller_is_a_policy_with_what_is_left():
    limiter = Limiter()
    who = caller(limits=["requests=10/second", "bytes=100/day", "rows=50/month", "concurrency=4"])
    limiter.commit(who, "m", Cost(rows=20, size=30), 0, NOW)
    told = dict(headers(limiter.left(who, "m", 0, NOW)))
    assert told["ratelimit-policy"].split(", ") == [
        '"key-requests-per-second";q=10;w=1',
        '"key-bytes-per-day";q=100;qu="content-bytes";w=86400',
        '"key-rows-per-month";q=50;qu="rows"',
        '"key-concurrency";q=4;qu="concurrent-requests"',
    ]
    requests, size, rows, concurrency = told["ratelimit"].split(", ")
    assert requests == '"key-requests-per-second";r=9;t=1'
    assert size.startswith('"key-bytes-per-day";r=70;t=')
    assert rows.startswith('"key-rows-per-month";r=30;t=')
    assert concurrency == '"key-concurrency";r=3'


_KEY = r"[a-z*][a-z0-9_.*-]*"
_TEXT = r'"(?:[ !#-\[\]-~]|\\["\\])*"'
_VALUE = rf"(?:-?[0-9]{{1,15}}|{_TEXT})"
_MEMBER = rf"{_TEXT}(?:; *{_KEY}={_VALUE})*"
STRUCTURED = re.compile(rf"{_MEMBER}(?:[ \t]*,[ \t]*{_MEMBER})*")
"""A list of strings with whole or textual parameters, in the grammar of RFC 9651."""


def test_what_is_told_are_structured_fields():
    limiter = Limiter()
    everything = [
        f"{dimension}={amount}/{period}"
        for dimension in ("requests", "rows", "bytes", "compute_ms", "credits")
        for amount, period in ((1, "second"), (10**15 - 1, "month"))
    ]
    who = caller(limits=[*everything, "concurrency=4"])
    for _, text in headers(limiter.left(who, "m", 0, NOW)):
        assert STRUCTURED.fullmatch(text), text


def test_what_is_whole_is_there_in_no_time():
    limiter, who = Limiter(), caller(limits=["requests=10/second"])
    assert dict(headers(limiter.left(who, "m", 0, NOW)))["ratelimit"].endswith(";r=10;t=0")


def test_without_limits_nothing_is_told():
    assert headers(Limiter().left(caller(), "m", 0, NOW)) == ()


@pytest.mark.parametrize(
    ("limit", "told"), [("requests=1/minute", (("retry-after", "60"),)), ("credits=1", ())]
)
def test_a_refusal_says_when_to_ask_again_where_that_is_known(limit, told):
    limiter, who = Limiter(), caller(limits=[limit])
    limiter.commit(who, "m", Cost(credits=1), SECOND, NOW)
    with pytest.raises(ResourceExhausted) as refused:
        limiter.commit(who, "m", Cost(credits=1), SECOND, NOW)
    assert retry_after(refused.value) == told
