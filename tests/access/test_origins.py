"""Web origins of a key: which pages may use it."""

import pytest
from tests.access.parts import caller

from fairlead.access.origins import check_origin
from fairlead.core.errors import OriginRefused

PAGE = "https://app.example.org"
LISTING = caller("predict:iris", origins=(PAGE, "http://localhost:3000"))


def test_a_key_with_origins_is_used_from_their_pages():
    check_origin({"origin": PAGE}, LISTING)
    check_origin({"origin": "http://localhost:3000"}, LISTING)


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "", PAGE + "/", PAGE.upper(), f"{PAGE}, {PAGE}"]
)
def test_a_page_of_another_origin_is_refused(origin):
    with pytest.raises(OriginRefused) as refused:
        check_origin({"origin": origin}, LISTING)
    assert refused.value.id == "FRL-1216"


def test_without_an_origin_or_without_origins_nothing_changes():
    check_origin({}, LISTING)
    check_origin({"origin": "https://evil.example"}, caller("predict:iris"))
