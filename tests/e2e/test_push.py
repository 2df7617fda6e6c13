# SPDX-License-Identifier: ISC
"""HTTP push: what is taken, and what is answered."""

import json
import re
import time

import pytest

from mpushlib import (DEADLINE, SLOWNESS, Device, HttpConn, exchange, http,
                      push, render_request, start_push, wait_until)

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
SHORT = 0.3 * SLOWNESS
ALLOWED = {"GET", "HEAD", "POST", "PUT", "OPTIONS"}


@pytest.fixture
def deliver(server):
    """Send a request while its device is there: (answer, title, content)."""
    def run(method="POST", target="/test", headers=None, body=None,
            device="test"):
        with Device(server).login(device=device) as d, HttpConn(server) as c:
            c.send_request(method, target, headers, body)
            m = d.recv_message()
            d.ack(m)
            return (c.read_response(method).answer, m["title"], m["content"])

    return run


def multipart(*parts):
    """parts: (name, value as bytes) or (raw headers, value)."""
    out = b""
    for head, value in parts:
        if not isinstance(head, bytes):
            head = b'Content-Disposition: form-data; name="%s"' % head.encode()
        out += b"--xYz\r\n" + head + b"\r\n\r\n" + value + b"\r\n"
    return out + b"--xYz--\r\n"


MULTIPART = "multipart/form-data; boundary=xYz"


# -- title and content -------------------------------------------------

@pytest.mark.parametrize("query, title, content", [
    ("title=T&content=C", "T", "C"), ("content=C&title=T", "T", "C"),
    ("title=T", "T", ""), ("content=C", "", "C"), ("title=&content=C", "", "C"),
    ("title=a+b%20c&content=%2B", "a b c", "+"),
    ("title=%E4%BD%A0%e5%a5%bd", "你好", ""),
    ("title=1&title=2&content=3&content=4", "1", "3"),
    ("title=&title=2&content=C", "", "C"),
    ("other=1&title=T&Title=no", "T", ""), ("&&title=T&&", "T", ""),
    ("title=100%", "100%", ""), ("title=%zz%4", "%zz%4", ""),
    ("title=%ff", "\ufffd", ""), ("title=a%00b", "a\ufffdb", ""),
    ("title=%ED%A0%80x", None, None), ("title=a=b", "a=b", ""),
    ("t%69tle=T", "T", ""), ("title=T#content=C", None, None),
    ("title=a%0Ab%22%5C", 'a\nb"\\', ""),
    ("title=a;b&content=?/", "a;b", "?/")])
def test_a_get_takes_them_from_the_query(deliver, query, title, content):
    answer, t, c = deliver("GET", "/test?" + query)
    assert answer == (200, "ok")
    if title is not None:
        assert (t, c) == (title, content)


@pytest.mark.parametrize("raw", ["%ED%A0%80", "%C0%80", "%F5%80%80%80",
                                 "%80", "%E4%BD"])
def test_bad_utf_8_becomes_ufffd_and_never_a_refusal(deliver, raw):
    _, title, _ = deliver("GET", f"/test?title=a{raw}b")
    assert re.fullmatch("a\ufffd+b", title)


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("query, body, title, content", [
    ("", b"title=T&content=C", "T", "C"),
    ("", b"title=a+b&content=%E4%BD%A0%2B", "a b", "你+"),
    ("?title=Q&content=R", b"title=T", "T", "R"),
    ("?title=Q&content=R", b"content=C", "Q", "C"),
    ("?title=Q&content=R", b"title=", "", "R"),
    ("?title=Q&content=R", b"other=1", "Q", "R"),
    ("?title=Q", b"some text", "Q", "some text"),
    ("", b"some text", "", "some text"),
    ("?title=Q&content=R", b"", "Q", "R"),
    ("", b"title=1&title=2", "1", ""),
    ("", b"title=%ff%zz\xff", "\ufffd%zz\ufffd", "")])
def test_a_form_takes_them_from_the_body_then_the_query(
        deliver, method, query, body, title, content):
    assert deliver(method, "/test" + query, {"Content-Type": FORM}, body) == (
        (200, "ok"), title, content)


@pytest.mark.parametrize("content_type", [
    FORM.upper(), FORM + "; charset=UTF-8", FORM + ";charset=utf-8",
    " " + FORM])
def test_the_type_may_have_parameters_and_capitals(deliver, content_type):
    assert deliver(headers={"Content-Type": content_type},
                   body=b"title=T")[1:] == ("T", "")


@pytest.mark.parametrize("value, text", [
    ('"C"', "C"), ("1", "1"), ("-1.5", "-1.5"), ("true", "true"),
    ("false", "false"), ("null", ""), ('{"b": [1, "x"]}', '{"b":[1,"x"]}'),
    ("[1, 2,\n3]", "[1,2,3]"), ('"\\u4f60\\n"', "你\n"), ('"你"', "你"),
    ('"\\ud83d\\ude00"', "😀"), ('"a\\u0000b"', "a\ufffdb"),
    ("9007199254740993", "9007199254740993")])
def test_json_values_become_text(deliver, value, text):
    body = f'{{"title": "T", "content": {value}}}'.encode()
    assert deliver(headers={"Content-Type": JSON}, body=body) == (
        (200, "ok"), "T", text)


@pytest.mark.parametrize("query, body, title, content", [
    ("?title=Q&content=R", '{"title": "T"}', "T", "R"),
    ("?title=Q&content=R", '{"content": null}', "Q", ""),
    ("?title=Q&content=R", '{"title": ""}', "", "R"),
    ("?title=Q", "{}", "Q", ""),
    ("", ' {"x": 1, "title": "T"}\n', "T", ""),
    ("", '{"title": "1", "title": "2"}', "1", "")])
def test_json_that_lacks_a_field_leaves_it_to_the_query(
        deliver, query, body, title, content):
    got = deliver("POST", "/test" + query,
                  {"Content-Type": JSON + "; charset=utf-8"}, body.encode())
    assert got == ((200, "ok"), title, content)


def test_json_with_bad_utf_8_is_not_refused(deliver):
    got = deliver(headers={"Content-Type": JSON}, body=b'{"title": "a\xffb"}')
    assert got == ((200, "ok"), "a\ufffdb", "")


@pytest.mark.parametrize("parts, title, content", [
    ([("title", b"T"), ("content", b"C")], "T", "C"),
    ([("title", "你\r\n--x".encode())], "你\r\n--x", ""),
    ([("title", b"1"), ("title", b"2"), ("x", b"3")], "1", ""),
    ([("title", b"a+b%20")], "a+b%20", ""),
    ([("content", b"\xff\x00")], "", "\ufffd\ufffd"),
    ([(b"content-disposition:form-data;name=title\r\nX: y", b"T")], "T", ""),
    ([(b'Content-Disposition: form-data; filename="f"; name="content"\r\n'
       b"Content-Type: text/plain", b"file")], "", "file")])
def test_multipart_fields_are_title_and_content(deliver, parts, title, content):
    assert deliver(headers={"Content-Type": MULTIPART},
                   body=multipart(*parts)) == ((200, "ok"), title, content)


def test_a_quoted_boundary_is_understood(deliver):
    got = deliver(headers={"Content-Type":
                           'multipart/form-data; boundary="xYz"'},
                  body=multipart(("title", b"T")))
    assert got[1:] == ("T", "")


@pytest.mark.parametrize("headers", [
    {"Content-Type": "text/plain"}, {"Content-Type": "text/plain; x=y"}, {}])
@pytest.mark.parametrize("query, title_header, title", [
    ("", None, ""), ("?title=Q", None, "Q"), ("", "H", "H"),
    ("?title=Q", "H", "Q"), ("?title=", "H", "")])
def test_a_plain_body_is_the_content(deliver, headers, query, title_header,
                                     title):
    if title_header:
        headers = {**headers, "Title": title_header}
    assert deliver("POST", "/test" + query, headers, b"a=b&c %41") == (
        (200, "ok"), title, "a=b&c %41")


@pytest.mark.parametrize("content_type, body", [
    (FORM, b"content=C"), (JSON, b'{"content": "C"}'),
    (MULTIPART, multipart(("content", b"C")))])
def test_a_title_header_fills_in_for_every_type(deliver, content_type, body):
    headers = {"Content-Type": content_type, "Title": "H"}
    assert deliver(headers=headers, body=body)[1:] == ("H", "C")
    got = deliver("POST", "/test?title=Q", headers, body)
    assert got[1:] == ("Q", "C")


def test_a_title_in_the_body_wins_over_query_and_header(deliver):
    got = deliver("POST", "/test?title=Q&content=R",
                  {"Content-Type": FORM, "Title": "H"}, b"title=")
    assert got[1:] == ("", "R")


# -- the device id -----------------------------------------------------

@pytest.mark.parametrize("path, device", [
    ("/test", "test"), ("/t%65st", "test"), ("/a", "a"), ("/a/", "a/"),
    ("/%C3%BCn%C3%AF/c%c3%b6d%C3%A9", "ünï/cödé"),
    ("/%C3%BCn%C3%AF%2Fc%C3%B6d%C3%A9", "ünï/cödé"),
    ("http://host/test", "test"), ("http://host:80/a/", "a/")])
def test_the_decoded_path_is_the_device(deliver, path, device):
    got = deliver("GET", path + "?title=T", device=device)
    assert got == ((200, "ok"), "T", "")


@pytest.mark.parametrize("path, device", [
    ("/a+b", "a+b"), ("/100%", "100%"), ("/%zz", "%zz"), ("/a%3Fb", "a?b"),
    ("/a%23b", "a#b"), ("//a", "/a"), ("/a/../b", "a/../b"), ("/.", "."),
    ("/" + "x" * 256, "x" * 256), ("/" + "%c3%bc" * 128, "ü" * 128)])
def test_ids_are_bytes_that_nothing_normalizes(daemon, path, device):
    d = daemon(REGISTERS=[device])
    assert http(d, "GET", path + "?title=T").answer == (200, "offline")


@pytest.mark.parametrize("path", [
    "/nobody", "/TEST", "/test/", "//test", "/", "/?", "/" + "x" * 257,
    "/%ff", "/te%00st", "/test%0A", "/a%7F", "/%C0%AFa", "/-/x"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_what_is_no_device_is_404(server, method, path):
    sep = "&" if "?" in path else "?"
    body = None if method == "GET" else b"t"
    r = http(server, method, path + sep + "title=t", body=body)
    assert r.answer == (404, "no")


# -- answers -----------------------------------------------------------

def test_ok_means_that_the_device_has_confirmed(daemon):
    d = daemon(ACK_TIMEOUT=600)
    with Device(d).login() as device, start_push(d, "test", "t") as c:
        m = device.recv_message()
        c.expect_silence(0.05)
        device.ack(m)
        r = c.read_response()
        assert r.answer == (200, "ok")
        assert r.headers["content-type"].split(";")[0] == "text/plain"
        assert r.headers["content-length"] == "2"


def test_online_means_that_it_has_not_within_ACK_TIMEOUT(daemon):
    d = daemon(ACK_TIMEOUT=SHORT)
    with Device(d).login() as device:
        begin = time.monotonic()
        assert push(d, "test", "t") == (200, "online")
        assert time.monotonic() - begin >= SHORT * 0.9
        kept = device.recv_message()
    with Device(d).login() as device:
        assert device.recv_message() == kept


def test_offline_means_that_it_is_kept_until_the_device_comes(daemon):
    d = daemon()
    assert push(d, "test", "t", "c") == (200, "offline")
    with Device(d).login() as device:
        m = device.recv_message()
        assert (m["title"], m["content"]) == ("t", "c")


def test_a_device_that_leaves_meanwhile_is_offline_at_ACK_TIMEOUT(daemon):
    d = daemon(ACK_TIMEOUT=SHORT)
    device = Device(d).login()
    begin = time.monotonic()
    with start_push(d, "test", "t") as c:
        device.recv_message()
        device.reset()
        assert c.read_response().answer == (200, "offline")
        assert time.monotonic() - begin >= SHORT * 0.9


def test_a_device_that_comes_back_and_confirms_in_time_is_ok(daemon):
    d = daemon(ACK_TIMEOUT=600)
    device = Device(d).login()
    with start_push(d, "test", "t") as c:
        device.recv_message()
        device.reset()
        with Device(d).login() as again:
            again.ack(again.recv_message())
            assert c.read_response().answer == (200, "ok")


def test_a_message_to_an_unknown_device_is_dropped(daemon):
    d = daemon()
    assert push(d, "new", "lost") == (404, "no")
    with Device(d).login(device="new") as device:
        device.expect_nothing()


def test_a_device_is_known_once_it_has_logged_in(daemon):
    d = daemon()
    Device(d).login(device="new").close()
    wait_until(lambda: push(d, "new", "t") == (200, "offline"))


@pytest.mark.parametrize("method, target, content_type, body", [
    ("GET", "/test", None, None), ("GET", "/test?", None, None),
    ("GET", "/test?title=&content=", None, None),
    ("GET", "/test?other=1", None, None), ("POST", "/test", None, b""),
    ("POST", "/test", None, None), ("POST", "/test", FORM, b""),
    ("POST", "/test", FORM, b"title="), ("POST", "/test", FORM, b"x=1"),
    ("POST", "/test?title=Q", FORM, b"title="), ("POST", "/test", JSON, b"{}"),
    ("POST", "/test", JSON, b'{"title": null, "content": ""}'),
    ("POST", "/test", MULTIPART, multipart(("x", b"1")))])
def test_neither_title_nor_content_is_400(server, method, target,
                                          content_type, body):
    headers = {"Content-Type": content_type} if content_type else {}
    if method == "POST" and body is None:
        headers["Content-Length"] = "0"
    assert http(server, method, target, headers, body).answer == (400, "no")


@pytest.mark.parametrize("content_type, body", [
    (JSON, b"title=T"), (JSON, b'{"title": "T"'), (JSON, b'["T"]'),
    (JSON, b'"T"'), (JSON, b'{"title": "T"} x'),
    ("multipart/form-data", multipart(("title", b"T"))),
    (MULTIPART, b"no part at all")])
def test_a_body_that_cannot_be_decoded_is_400(server, content_type, body):
    r = http(server, "POST", "/test", {"Content-Type": content_type}, body)
    assert r.answer == (400, "no")


@pytest.mark.parametrize("content_type", [
    "application/xml", "text/html", "image/png", "application/jsonx",
    "application/x-www-form-urlencodedx", "text", "multipart/mixed"])
def test_a_type_that_is_not_in_the_table_is_415(server, content_type):
    r = http(server, "POST", "/test", {"Content-Type": content_type}, b"x=1")
    assert r.answer == (415, "no")


@pytest.mark.parametrize("coding,answer", [
    ("gzip", (415, "no")), ("br", (415, "no")), ("identity, gzip", (415, "no")),
    ("identity", (404, "no"))])
def test_a_compressed_body_is_415(server, coding, answer):
    r = http(server, "POST", "/nobody", {"Content-Type": "text/plain",
                                         "Content-Encoding": coding}, b"x")
    assert r.answer == answer


@pytest.mark.parametrize("method", [
    "DELETE", "PATCH", "TRACE", "PROPFIND", "BREW", "get"])
def test_another_method_is_405_and_says_what_is_allowed(server, method):
    r = exchange(server, render_request(method, "/test?title=t"))
    assert r.answer == (405, "no")
    assert set(r.headers["allow"].split(", ")) == ALLOWED


def test_CONNECT_is_405_too(server):
    r = exchange(server, render_request("CONNECT", "test:80"))
    assert r.answer == (405, "no")


@pytest.mark.parametrize("target", ["/test", "/nobody", "*"])
def test_OPTIONS_says_what_is_allowed(server, target):
    with HttpConn(server) as c:
        r = c.request("OPTIONS", target)
        assert r.status in (200, 204)
        assert set(r.headers["allow"].split(", ")) == ALLOWED
        assert c.request("GET", "/nobody?title=t").answer == (404, "no")


@pytest.mark.parametrize("path, status", [
    ("/test?title=t", 200), ("/nobody", 404), ("/", 404), ("/%ff", 404)])
def test_HEAD_tells_whether_a_device_is_registered_and_pushes_nothing(
        daemon, path, status):
    d = daemon()
    with Device(d).login() as device, HttpConn(d) as c:
        r = c.request("HEAD", path)
        assert (r.status, r.body) == (status, b"")
        assert c.request("GET", "/nobody?title=t").answer == (404, "no")
        device.expect_nothing()


# -- JSON answers ------------------------------------------------------

AS_JSON = {"Accept": "application/json"}


def test_a_json_answer_names_status_device_and_mid(daemon):
    d = daemon(ACK_TIMEOUT=600, REGISTERS=['q"\\é'])
    before = int(time.time() * 1000)
    with Device(d).login(device='q"\\é') as device, start_push(
            d, 'q"\\é', "t", headers=AS_JSON) as c:
        m = device.recv_message()
        device.ack(m)
        r = c.read_response()
    assert r.status == 200
    assert r.headers["content-type"].split(";")[0] == "application/json"
    assert r.json() == {"status": "ok", "device": 'q"\\é', "mid": m["mid"]}
    assert before <= int(m["mid"]) <= time.time() * 1000 + 1


@pytest.mark.parametrize("status", ["offline", "online"])
def test_the_json_answers_of_what_is_kept_have_a_mid(daemon, status):
    d = daemon(ACK_TIMEOUT=SHORT)
    device = Device(d).login()
    if status == "offline":
        device.close()
        wait_until(lambda: push(d, "test", "x") == (200, "offline"))
    with start_push(d, "test", "t", headers=AS_JSON) as c:
        answer = c.read_response().json()
    with Device(d).login() as again:
        while again.recv_message()["mid"] != answer["mid"]:
            pass
    assert (answer["status"], answer["device"]) == (status, "test")


@pytest.mark.parametrize("accept", [
    "application/json", "APPLICATION/JSON", "text/html, application/json",
    "application/json;q=0.9", "application/json, */*;q=0.1"])
def test_accept_may_be_a_list(server, accept):
    r = http(server, "GET", "/nobody?title=t", {"Accept": accept})
    assert r.json()["status"] == "no"


@pytest.mark.parametrize("accept", ["*/*", "text/plain", "application/*",
                                    "application/jsonx", ""])
def test_other_accepts_get_the_word(server, accept):
    r = http(server, "GET", "/nobody?title=t", {"Accept": accept})
    assert r.answer == (404, "no")


@pytest.mark.parametrize("status, method, target, headers, body", [
    (404, "GET", "/nobody?title=t", {}, None),
    (404, "GET", "/%ff?title=t", {}, None), (400, "GET", "/test", {}, None),
    (400, "POST", "/test", {"Content-Type": JSON}, b"{"),
    (405, "DELETE", "/test", {}, None),
    (413, "POST", "/test", {}, b"x" * 70000),
    (415, "POST", "/test", {"Content-Type": "a/b"}, b"x")])
def test_a_json_failure_says_in_a_sentence_why(server, status, method, target,
                                               headers, body):
    r = http(server, method, target, {**headers, **AS_JSON}, body)
    assert r.status == status
    assert set(r.json()) == {"status", "error"} and r.json()["status"] == "no"
    assert re.search(r"\w+ \w+", r.json()["error"])


# -- sizes -------------------------------------------------------------

def chunked(body, size=8192):
    out = b"".join(b"%x\r\n%s\r\n" % (len(x), x) for x in (
        body[i:i + size] for i in range(0, len(body), size)))
    return out + b"0\r\n\r\n"


def test_the_largest_message_is_delivered_whole(deliver):
    body = b"0123456789abcdef" * 4096
    assert deliver(body=body) == ((200, "ok"), "", body.decode())


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("size", [65537, 131073, 1000000, 20000000])
def test_a_body_that_is_too_large_is_413(server, size, framing):
    body = b"x" * size
    data = (render_request("POST", "/test", None, body)
            if framing == "length" else render_request(
                "POST", "/test", {"Transfer-Encoding": "chunked"},
                chunked(body)))
    with HttpConn(server) as c:
        try:
            c.send(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it need not read all of that
        assert c.read_response().answer == (413, "no")


def test_a_length_that_is_too_large_is_413_before_the_body(server):
    with HttpConn(server) as c:
        c.send(b"POST /test HTTP/1.1\r\nHost: x\r\n"
               b"Content-Length: 9000000000000000000\r\n\r\n")
        assert c.read_response().answer == (413, "no")


def test_title_and_content_from_two_places_count_together(server):
    r = http(server, "POST", "/test?title=" + "t" * 1000, None, b"c" * 65000)
    assert r.answer == (413, "no")


def test_escapes_do_not_count_against_the_message(daemon):
    d = daemon(MAX_MESSAGE=30)
    headers = {"Content-Type": FORM}
    assert http(d, "POST", "/test", headers,
                b"title=%C3%BC%C3%BC%C3%BC").answer == (200, "offline")


def test_a_head_of_nearly_64_KiB_is_read(server):
    r = http(server, "GET", "/nobody?title=t", {"X": "x" * 60000})
    assert r.status == 404


@pytest.mark.parametrize("data", [
    render_request("GET", "/test?title=t", {"X": "x" * 70000}),
    render_request("GET", "/test?title=" + "t" * 70000),
    render_request("GET", "/test?title=t", {
        f"X-{i}": "x" * 1000 for i in range(70)})])
def test_a_head_over_64_KiB_is_431_or_closed(server, data):
    with HttpConn(server) as c:
        try:
            c.send(data)
            r = c.read_response()
        except (EOFError, ConnectionError):
            return
        assert r.answer == (431, "no")
        c.expect_eof()


# -- connections -------------------------------------------------------

@pytest.mark.parametrize("port", ["ws", "http"])
def test_a_connection_takes_one_push_after_another(server, port):
    with HttpConn(server, port) as c:
        for _ in range(20):
            r = c.request("POST", "/nobody", body=b"t")
            assert r.answer == (404, "no")
            assert r.headers.get("connection", "keep-alive") == "keep-alive"


def test_an_error_before_the_body_is_used_does_not_end_the_connection(server):
    with HttpConn(server) as c:
        for status, headers, body in [
                (415, {"Content-Type": "a/b"}, b"GET / HTTP/1.1\r\n\r\n"),
                (413, {}, b"x" * 65537), (400, {}, b"")]:
            assert c.request("POST", "/test", headers, body).status == status
        assert c.request("GET", "/nobody?title=t").status == 404


def test_connection_close_is_honoured(server):
    with HttpConn(server) as c:
        r = c.request("GET", "/nobody?title=t", {"Connection": "close"})
        assert r.answer == (404, "no")
        assert r.headers["connection"] == "close"
        c.expect_eof()


def test_http_1_0_closes_after_the_answer(server):
    with HttpConn(server) as c:
        r = c.request("GET", "/nobody?title=t", version="1.0")
        assert r.answer == (404, "no")
        c.expect_eof()


def test_http_1_0_may_ask_to_keep_alive(server):
    with HttpConn(server) as c:
        for _ in range(3):
            r = c.request("POST", "/nobody", {"Connection": "keep-alive"},
                          b"t", version="1.0")
            assert r.answer == (404, "no")
            assert r.headers["connection"].lower() == "keep-alive"


def test_http_1_0_needs_no_host(server):
    r = exchange(server, b"GET /nobody?title=t HTTP/1.0\r\n\r\n")
    assert r.answer == (404, "no")


def test_pipelined_requests_are_answered_in_order(daemon):
    d = daemon(ACK_TIMEOUT=SHORT)
    with Device(d).login() as device, HttpConn(d) as c:
        c.send(render_request("GET", "/test?title=1") +
               render_request("GET", "/nobody?title=2") +
               render_request("POST", "/test", None, b"3") +
               render_request("GET", "/test") +
               render_request("DELETE", "/test") +
               render_request("GET", "/-/ready"))
        device.ack(device.recv_message())
        assert [c.read_response().answer for _ in range(2)] == [
            (200, "ok"), (404, "no")]
        device.recv_message()
        assert [c.read_response().answer for _ in range(3)] == [
            (200, "online"), (400, "no"), (405, "no")]
        assert c.read_response().status == 200


def test_a_hundred_pipelined_pushes_get_a_hundred_answers_in_order(daemon):
    d = daemon()
    with HttpConn(d) as c:
        c.send(b"".join(render_request("POST", "/test", AS_JSON, b"%d" % i)
                        for i in range(100)))
        mids = [c.read_response().json()["mid"] for _ in range(100)]
    assert sorted(set(mids), key=int) == mids
    with Device(d).login() as device:
        assert [(m["mid"], m["content"]) for m in device.recv_messages(100)
                ] == [(mid, str(i)) for i, mid in enumerate(mids)]


def test_a_request_may_come_byte_by_byte(server):
    with HttpConn(server) as c:
        for byte in render_request("POST", "/nobody", None, b"text"):
            c.send(bytes([byte]))
        assert c.read_response().answer == (404, "no")


@pytest.mark.parametrize("body", [
    b"5\r\nabcde\r\n0\r\n\r\n", b"3\r\nabc\r\n02\r\nde\r\n000\r\n\r\n",
    b"5\r\nabcde\r\n0\r\nX: trailer\r\n\r\n"],
    ids=["one", "two", "trailer"])
def test_a_chunked_body_is_read(daemon, body):
    d = daemon()
    r = http(d, "POST", "/test", {"Transfer-Encoding": "chunked"}, body)
    assert r.answer == (200, "offline")
    with Device(d).login() as device:
        assert device.recv_message()["content"] == "abcde"


def test_expect_100_continue_is_honoured(server):
    with HttpConn(server) as c:
        c.send(b"POST /nobody HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
               b"Expect: 100-continue\r\n\r\n")
        assert c.read_response().status == 100
        c.send(b"text")
        assert c.read_response().answer == (404, "no")
        assert c.request("GET", "/nobody?title=t").status == 404


def test_expect_100_continue_of_too_much_is_413_at_once(server):
    with HttpConn(server) as c:
        c.send(b"POST /test HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n"
               b"Expect: 100-continue\r\n\r\n")
        assert c.read_response().answer == (413, "no")


def test_an_unknown_expectation_is_417(server):
    r = http(server, "POST", "/test", {"Expect": "wonders"}, b"t")
    assert r.status == 417


# -- half-closed and lost publishers -----------------------------------

def test_a_half_closed_publisher_gets_its_answer(daemon):
    d = daemon(ACK_TIMEOUT=600)
    with Device(d).login() as device, start_push(d, "test", "t") as c:
        c.half_close()
        device.ack(device.recv_message())
        assert c.read_response().answer == (200, "ok")


def test_a_half_closed_publisher_gets_all_its_answers(server):
    with HttpConn(server) as c:
        c.send(render_request("GET", "/nobody?title=1") * 3)
        c.half_close()
        for _ in range(3):
            assert c.read_response().answer == (404, "no")
        c.expect_eof()


@pytest.mark.parametrize("leave", ["close", "reset"])
def test_what_a_lost_publisher_pushed_is_still_delivered(daemon, leave):
    d = daemon(ACK_TIMEOUT=600, RESEND_INTERVAL=600)
    with Device(d).login() as device:
        c = start_push(d, "test", "t")
        m = device.recv_message()
        getattr(c, leave)()
        device.ping()
    with Device(d).login() as device:
        assert device.recv_message() == m
        device.ack(m)
        device.expect_nothing()


# -- deadlines ---------------------------------------------------------

UNFINISHED = [b"", b"G", b"GET /test?title=t HTTP/1.1\r\nHost: x\r\n",
              b"POST /test HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc",
              b"POST /test HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked"
              b"\r\n\r\n9\r\nabc"]


@pytest.mark.parametrize("port", ["ws", "http"])
@pytest.mark.parametrize("data", UNFINISHED)
def test_an_unfinished_request_is_closed_at_AUTH_TIMEOUT(daemon, data, port):
    d = daemon(AUTH_TIMEOUT=SHORT)
    begin = time.monotonic()
    with HttpConn(d, port) as c:
        c.send(data)
        c.recv_all()
        assert SHORT * 0.8 <= time.monotonic() - begin < SHORT + DEADLINE
    assert push(d, "test", "t") == (200, "offline")


def test_dribbling_bytes_do_not_extend_the_deadline(daemon):
    d = daemon(AUTH_TIMEOUT=SHORT)
    end = time.monotonic() + SHORT + DEADLINE
    with HttpConn(d) as c, pytest.raises((EOFError, ConnectionError)):
        c.send(b"GET /test HTTP/1.1\r\nX: ")
        while time.monotonic() < end:
            c.send(b"x")
            try:
                c._fill(0.02)
            except TimeoutError:
                pass


def test_a_push_that_waits_for_its_device_is_not_closed(daemon):
    d = daemon(AUTH_TIMEOUT=SHORT, ACK_TIMEOUT=3 * SHORT)
    with Device(d).login(), start_push(d, "test", "t") as c:
        assert c.read_response().answer == (200, "online")


# -- framing -----------------------------------------------------------

HIDDEN = b"GET /test?title=smuggled HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("fields, body", [
    (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    (b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n"),
    (b"Content-Length: 1\r\nContent-Length: 2\r\n", b"t"),
    (b"Content-Length: 1, 2\r\n", b"t"), (b"Content-Length: +1\r\n", b"t"),
    (b"Content-Length: -1\r\n", b"t"), (b"Content-Length: 1x\r\n", b"t"),
    (b"Content-Length: 0x1\r\n", b"t"), (b"Content-Length: \r\n", b"t"),
    (b"Content-Length : %d\r\n" % len(HIDDEN), b""),
    (b"Content-Length: 18446744073709551617\r\n", b"t"),
    (b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"),
    (b"Transfer-Encoding: identity\r\n", b"t"),
    (b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"),
    (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n",
     b"0\r\n\r\n"),
    (b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n"),
    (b"Transfer-Encoding: chunked\r\n", b"-1\r\nx\r\n0\r\n\r\n"),
    (b"Transfer-Encoding: chunked\r\n", b"zz\r\n\r\n"),
    (b"Transfer-Encoding: chunked\r\n", b"fffffffffffffffff\r\nx\r\n")])
def test_a_doubtful_length_is_refused_and_what_follows_is_no_request(
        daemon, fields, body):
    d = daemon()
    with Device(d).login() as device, HttpConn(d) as c:
        c.send(b"POST /nobody HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n" +
               body + HIDDEN)
        try:
            r = c.read_response()
        except (EOFError, ConnectionError):
            r = None
        if r is not None:
            assert 400 <= r.status < 600 and r.status != 404, r
            c.expect_eof()
        device.expect_nothing()


def test_a_transfer_encoding_of_http_1_0_is_refused(daemon):
    """RFC 9112 6.1: whoever passed it on may have seen another end."""
    d = daemon()
    with Device(d).login() as device, HttpConn(d) as c:
        c.send(b"POST /nobody HTTP/1.0\r\nConnection: keep-alive\r\n"
               b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN)
        assert c.read_response().status == 400
        c.expect_eof()
        device.expect_nothing()


def test_equal_lengths_twice_are_no_two_requests(daemon):
    d = daemon()
    with Device(d).login() as device, HttpConn(d) as c:
        c.send(b"POST /nobody HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n"
               b"Content-Length: %d\r\n\r\n" % (len(HIDDEN), len(HIDDEN)) +
               HIDDEN)
        assert c.read_response().status in (400, 404)
        device.expect_nothing()


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE"])
def test_the_body_of_a_request_that_needs_none_is_no_request(daemon, method):
    d = daemon()
    with Device(d).login() as device, HttpConn(d) as c:
        c.send(render_request(method, "/nobody", None, HIDDEN))
        c.read_response(method)
        c.half_close()
        c.recv_all()
        device.expect_nothing()


@pytest.mark.parametrize("data", [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"nonsense\r\n\r\n",
    b"GET\r\n\r\n", b"GET /test?title=t HTTP/9.9\r\n\r\n",
    b"GET /test?title=t\r\n\r\n", b"GET /test?title=t FTP/1.1\r\n\r\n",
    b"GET /test?title=t HTTP/1.1\r\nno colon\r\n\r\n",
    b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", b"\0" * 100 + b"\r\n\r\n"])
def test_what_is_no_http_is_refused_and_harms_nobody(daemon, data):
    d = daemon(AUTH_TIMEOUT=SHORT)
    with Device(d).login() as device, HttpConn(d) as c:
        c.send(data)
        got = c.recv_all()
        assert not got or re.match(rb"HTTP/1\.[01] [45]\d\d ", got), got
        device.expect_nothing()
    assert http(d, "GET", "/-/ready").status == 200


@pytest.mark.parametrize("data", [
    b"0\r\n\r\n", b"nonsense\r\n\r\n", b"GET\r\n\r\n",
    b"GET /test HTTP/9.9\r\n\r\n", b"\0\0\r\n\r\n"])
@pytest.mark.parametrize("waits", [False, True])
def test_nonsense_after_a_push_is_refused_after_its_answer(
        daemon, data, waits):
    d = daemon(ACK_TIMEOUT=600)
    with Device(d).login() as device, HttpConn(d) as c:
        c.send(render_request("GET", "/test?title=t") + (data if waits else
                                                         b""))
        device.ack(device.recv_message())
        assert c.read_response().answer == (200, "ok")
        c.send(b"" if waits else data)
        assert c.read_response().answer == (400, "no")
        c.expect_eof()


def test_header_values_do_not_split_the_answer(server):
    r = http(server, "GET", "/nobody%0d%0aX-Evil:1?title=t", AS_JSON)
    assert r.status == 404 and "x-evil" not in r.headers
    assert json.loads(r.body)["status"] == "no"
