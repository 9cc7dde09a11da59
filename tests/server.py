"""A web server on this machine whose faults can be chosen."""

import contextlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Page:
    """What one address answers, and how it goes wrong.

    Inputs:
        content: bytes
        statuses: codes to answer before the first good answer
        cuts: how many bytes to send, answer by answer, before the connection is cut
        ranges: False for a server that does not know Range
    """

    def __init__(self, content, statuses=(), cuts=(), ranges=True):
        self.content, self.ranges = content, ranges
        self.statuses, self.cuts = list(statuses), list(cuts)
        self.asked = []  # the Range of each request, None where it had none


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        page = self.server.pages.get(self.path)
        if page is None:
            return self.answer(404, b"")
        page.asked.append(self.headers.get("Range"))
        if page.statuses:
            return self.answer(page.statuses.pop(0), b"")
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        cut = page.cuts.pop(0) if page.cuts else None
        if not (asked and page.ranges):
            return self.answer(200, page.content, cut=cut)
        start, size = int(asked[1]), len(page.content)
        if start >= size:
            return self.answer(416, b"", {"Content-Range": f"bytes */{size}"})
        headers = {"Content-Range": f"bytes {start}-{size - 1}/{size}"}
        return self.answer(206, page.content[start:], headers, cut)

    def answer(self, code, body, headers=None, cut=None):
        self.send_response(code)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        if cut is not None:  # a lie about the length would leave the connection in disorder
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # the client may have had enough
            self.wfile.write(body[:cut])

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def serve(pages):
    """Serve a dict of path -> Page. Gives the server's address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.pages = pages
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
