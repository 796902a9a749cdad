"""Encoded answers with gaps, and events."""

import msgspec

from models.protocol_servers.wire import GAP, cloudflare_page, event, fill, template


def test_template_takes_an_id_in_every_gap() -> None:
    """What was encoded with gaps is the encoding with the id, however many there are."""
    for text in ("none", f"a{GAP}b", f"{GAP}", f"{GAP}{GAP}c{GAP}"):
        encoded = msgspec.json.encode({"text": text})
        assert fill(template(encoded), b"id") == msgspec.json.encode({"text": text.replace(GAP, "id")})


def test_event_is_its_lines_and_an_empty_one() -> None:
    """An event has a name if it is given one, its data on one line, and ends with an empty line."""
    assert event({"a": "x\ny"}) == b'data: {"a":"x\\ny"}\n\n'
    assert event({"a": 1}, "ping") == b'event: ping\ndata: {"a":1}\n\n'
    assert event([], end="\r\n") == b"data: []\r\n\r\n"


def test_page_of_the_proxy_names_the_status() -> None:
    """The page says its status in its title, whatever it is."""
    assert b"<title>502 Bad Gateway</title>" in cloudflare_page(502)
    assert b"<title>520</title>" in cloudflare_page(520)
