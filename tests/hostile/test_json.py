"""Attacks by JSON: towers, twins, numbers that are none, text that is none (A1, A10 to A13)."""

import json

import pytest
from tests.hostile.parts import attack, infer, inputs, post, rows, tensor
from tests.raw import Raw

FINE = tensor([1, 2, 3])
CSV = "Content-Type: text/csv"


def tower(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


def towers():
    for depth in (101, 10_000, 1_000_000):
        data = b'{"inputs":[{"name":"x","shape":[1,3],"datatype":"FP32","data":%b}]}'
        yield attack(f"data {depth}", infer("total", data % tower(depth)), "JSON_TOO_DEEP")
        wide = inputs(FINE)[:-1] + b',"parameters":{"a":%b}}' % tower(depth)
        yield attack(f"parameters {depth}", infer("total", wide), "JSON_TOO_DEEP")
        yield attack(f"index {depth}", post("/v2/repository/index", tower(depth)), "JSON_TOO_DEEP")
        yield attack(f"rows {depth}", rows("total", tower(depth)), "JSON_TOO_DEEP")
    for depth in (101, 10_000):
        objects = b'{"a":' * depth + b"1" + b"}" * depth
        yield attack(f"objects {depth}", rows("total", objects), "JSON_TOO_DEEP")
        yield attack(f"open {depth}", rows("total", b"[" * depth), "JSON_TOO_DEEP")


TWICE = "DUPLICATE_NAME"
TWINS = [
    attack("empty", infer("total", b'{"inputs":[],"inputs":[]}'), "MISSING_FIELD"),
    attack("key", infer("total", inputs(FINE)[:-1] + b',"id":"1","id":"2"}'), TWICE),
    attack("data", infer("total", inputs(FINE).replace(b'"data"', b'"data":[9],"data"')), TWICE),
    attack("shape", infer("total", inputs(FINE)[:-3] + rb',"sh\u0061pe":[1,3]}]}'), TWICE),
    attack("input", infer("total", inputs(FINE, FINE)), TWICE),
    attack("output", infer("total", inputs(FINE, outputs=[{"name": "value"}] * 2)), TWICE),
    attack("column", rows("total", b'{"a":1,"b":2,"c":3,"a":4}'), TWICE),
    attack("column of csv", rows("total", b"a,b,c,a\n1,2,3,4\n", CSV), TWICE),
    attack("asked twice", post("/predict/total?outputs=value,value", b"[1,2,3]"), TWICE),
    attack("index", post("/v2/repository/index", b'{"ready":true,"ready":false}'), TWICE),
]


def number(text: bytes, datatype: str = "FP64") -> bytes:
    data = inputs(tensor([0, 0, 0, 7], datatype))
    return infer(f"identity_{datatype.lower()}", data.replace(b"7]", text + b"]"))


NOT_FINITE = [
    *[attack(text.decode(), number(text), "BODY_MALFORMED")
      for text in (b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"nan", b"inf")],
    *[attack(f"row {text.decode()}", rows("total", b"[1,2,%b]" % text), "BODY_MALFORMED")
      for text in (b"NaN", b"-Infinity", b"1e400")],
    attack("null", number(b"null"), "NOT_FINITE"),
    attack("row null", rows("total", b"[1,2,null]"), "NOT_FINITE"),
    attack("too large for FP32", number(b"1e39", "FP32"), "DTYPE_RANGE"),
    attack("too large for FP16", number(b"65536", "FP16"), "DTYPE_RANGE"),
    attack("csv", rows("total", b"a,b,c\n1,2,1e999\n", CSV), "NOT_FINITE"),
    attack("csv nan", rows("total", b"a,b,c\n1,2,nan\n", CSV),
           "DTYPE_MISMATCH"),
    attack("infinity where values may be missing", rows("gaps", b"[1,2,1e999]"), "BODY_MALFORMED"),
    attack("answer", infer("logs", inputs(tensor([-1.0], "FP64"))), "MODEL_BAD_ANSWER", 500),
    attack("answer for people", rows("logs", b"[0]"), "MODEL_BAD_ANSWER", 500),
]  # fmt: skip

HUGE = [
    attack("5000 digits", number(b"1" * 5000), "BODY_MALFORMED"),
    attack("5000 digits INT64", number(b"1" * 5000, "INT64"), "BODY_MALFORMED"),
    attack("2^63 INT64", number(b"9223372036854775808", "INT64"), "DTYPE_RANGE"),
    attack("2^64 UINT64", number(b"18446744073709551616", "UINT64"), "DTYPE_RANGE"),
    attack("2^64-1 as a float", number(b"18446744073709551615.0", "UINT64"), "DTYPE_RANGE"),
    attack("a row", rows("identity_int64", b"[0,0,0,9007199254740993.0]"), "DTYPE_RANGE"),
    attack("a cell", rows("identity_int64", b"x[0],x[1],x[2],x[3]\n0,0,0," + b"9" * 5000,
                          "Content-Type: text/csv"), "DTYPE_MISMATCH"),
]  # fmt: skip


def text(raw: bytes) -> bytes:
    body = inputs(tensor(["?"], "BYTES", "text"))
    return infer("shout", body.replace(b'"?"', b'"' + raw + b'"'))


LONG = "n" * (1 << 20)
TEXT = [
    attack("escaped NUL", text(rb"a\u0000b"), "TEXT_INVALID"),
    attack("raw NUL", text(b"a\0b"), "BODY_MALFORMED"),
    attack("lone surrogate", text(rb"\ud800"), "BODY_MALFORMED"),
    attack("surrogates reversed", text(rb"\udc00\ud800"), "BODY_MALFORMED"),
    attack("surrogate in UTF-8", text(b"\xed\xa0\x80"), "BODY_MALFORMED"),
    attack("overlong UTF-8", text(b"\xc0\xaf"), "BODY_MALFORMED"),
    attack("latin-1", text(b"\xe4"), "BODY_MALFORMED"),
    attack("cut UTF-8", text(b"\xe2\x82"), "BODY_MALFORMED"),
    attack("beyond Unicode", text(b"\xf4\x90\x80\x80"), "BODY_MALFORMED"),
    attack("newline in text", text(b"a\nb"), "BODY_MALFORMED"),
    attack("BOM", infer("total", b"\xef\xbb\xbf" + inputs(FINE)), "BODY_MALFORMED"),
    attack("UTF-16", infer("total", inputs(FINE).decode().encode("utf-16")), "BODY_MALFORMED"),
    attack("NUL key", rows("total", rb'{"a":1,"b":2,"c\u0000":3}'), "TEXT_INVALID"),
    attack("long input", infer("total", inputs(FINE | {"name": LONG})), "UNKNOWN_NAME"),
    attack("long output", infer("total", inputs(FINE, outputs=[{"name": LONG}])), "UNKNOWN_NAME"),
    attack("long datatype", infer("total", inputs(FINE | {"datatype": LONG})), "DTYPE_MISMATCH"),
    attack("long column", rows("total", json.dumps({LONG: 1}).encode()), "UNKNOWN_NAME"),
    attack("long column of csv", rows("total", LONG.encode()[: 1 << 16] + b",b\n1,2\n",
                                      "Content-Type: text/csv"), "UNKNOWN_NAME"),
    attack("long parameter", infer("total", inputs(FINE, parameters={"triton_" + LONG: 1})),
           "PARAMETER_RESERVED"),
    attack("csv NUL", rows("shout", b"text\na\0b\n", CSV), "TEXT_INVALID"),
    attack("csv latin-1", rows("shout", b"text\n\xe4\n", CSV), "TEXT_INVALID"),
]  # fmt: skip

CLASSES = {
    "towers": list(towers()),
    "twins": TWINS,
    "not finite": NOT_FINITE,
    "huge": HUGE,
    "text": TEXT,
}


@pytest.mark.parametrize("kind", CLASSES)
def test_the_server_answers_and_lives(usual, kind):
    for one in CLASSES[kind]:
        usual.survives(one)


def test_a_hundred_times_cost_no_memory(usual):
    usual.bears([one for kind in CLASSES.values() for one in kind])


def test_the_deepest_json_that_is_allowed_is_read(usual, tight):
    for one, depth in ((usual, 64), (usual, 98), (tight, 8)):
        body = inputs(FINE)[:-1] + b',"parameters":{},"further":%b}' % tower(depth)
        with Raw(one.port) as raw:
            assert raw.ask(infer("total", body)).status == 200


def test_the_setting_of_the_depth_is_kept(tight):
    tight.survives(attack("rows", rows("total", tower(11)), "JSON_TOO_DEEP"))
    tight.survives(attack("index", post("/v2/repository/index", tower(11)), "JSON_TOO_DEEP"))
    body = inputs(FINE)[:-1] + b',"further":%b}' % tower(10)
    tight.survives(attack("infer", infer("total", body), "JSON_TOO_DEEP"))


def test_the_largest_integer_is_exact(usual):
    with Raw(usual.port) as raw:
        answer = raw.ask(number(b"18446744073709551615", "UINT64"))
        assert b"18446744073709551615]" in answer.body
