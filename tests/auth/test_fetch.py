import http.server
import threading
import time

import pytest

from stompede.auth import FetchError, fetch_url


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/slow":
            self.send_response(200)
            self.end_headers()
            try:
                while not self.server.ended.wait(0.02):
                    self.wfile.write(b"x")
            except OSError:
                return
        elif self.path == "/elsewhere":
            self.send_response(302)
            self.send_header("Location", "/keys")
            self.end_headers()
        elif self.path == "/keys":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"x" * 100)
        else:
            self.send_error(404)

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.ended = threading.Event()
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.ended.set()
        running.shutdown()
        thread.join()


async def test_it_gives_the_body(server):
    assert await fetch_url(f"{server}/keys", 5, 100) == b"x" * 100


async def test_a_larger_body_is_refused(server):
    with pytest.raises(FetchError, match="larger than 99 bytes"):
        await fetch_url(f"{server}/keys", 5, 99)


@pytest.mark.parametrize(("path", "status"), [("/missing", "404"), ("/elsewhere", "302")])
async def test_only_a_200_counts_and_redirects_are_not_followed(server, path, status):
    with pytest.raises(FetchError, match=f"the answer is {status}"):
        await fetch_url(server + path, 5, 1000)


async def test_a_trickle_ends_at_the_deadline(server):
    started = time.monotonic()
    with pytest.raises(FetchError, match="too long"):
        await fetch_url(f"{server}/slow", 0.2, 1_000_000)
    assert time.monotonic() - started < 5


async def test_nobody_there_is_an_error_of_ours():
    with pytest.raises(FetchError, match="refused"):
        await fetch_url("http://127.0.0.1:9/", 5, 1000)
