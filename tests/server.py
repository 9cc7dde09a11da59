"""A web server on this machine whose faults can be chosen."""

import contextlib
import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from helpers.downloads import transfer

CONTENT = bytes(range(256)) * 400  # 102,400 bytes
CHUNK = transfer._CHUNK  # the least that has to come for a cut download to get further
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
QUICK = {"pause": 0.001, "progress": False}


class Page:
    """What one address answers, and how it goes wrong.

    Inputs:
        content: bytes
        statuses: codes to answer before the first good answer
        cuts: how many bytes to send, answer by answer, before the connection is cut
        ranges: False for a server that does not know Range
        length: what to say in Content-Length; "none" for nothing, "chunked" for a chunked answer
        tag: ETag, or "" for none
        headers: further headers of every answer
        shift: answer a range that begins so many bytes later than asked for
    """

    def __init__(
        self, content, statuses=(), cuts=(), ranges=True, length=None, tag='"one"', headers=None,
        shift=0,
    ):  # fmt: skip
        self.content, self.ranges, self.length, self.tag = content, ranges, length, tag
        self.statuses, self.cuts, self.shift = list(statuses), list(cuts), shift
        self.headers = headers or {}
        self.asked = []  # the Range of each request, None where it had none


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        page = self.server.pages.get(self.path)
        if page is None:
            return self.answer(404, b"")
        page.asked.append(self.headers.get("Range"))
        if page.statuses:
            return self.answer(page.statuses.pop(0), b"", page.headers)
        return self.send_page(page)

    def send_page(self, page):
        code, start, headers = 200, 0, dict(page.headers)
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = self.headers.get("If-Range") in (page.tag, headers.get("Last-Modified"))
        if asked and page.ranges and same:
            code, start = 206, int(asked[1]) + page.shift
            if start >= len(page.content):
                return self.answer(416, b"", {"Content-Range": f"bytes */{len(page.content)}"})
            part = f"bytes {start}-{len(page.content) - 1}/{len(page.content)}"
            headers["Content-Range"] = part
        if page.tag:
            headers["ETag"] = page.tag
        body = page.content[start:]
        length = len(body) if page.length is None else page.length
        cut = page.cuts.pop(0) if page.cuts else None
        return self.answer(code, body, headers, length, cut)

    def answer(self, code, body, headers=None, length=None, cut=None):
        self.send_response(code)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if length == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
            body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body, b""))
        elif length != "none":
            self.send_header("Content-Length", str(len(body) if length is None else length))
        # a lie about the length would leave the connection in disorder
        self.close_connection = cut is not None or length is not None
        if self.close_connection:
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


def fetched(page, path, **options):
    """Fetch a page to a path, quickly. Gives the path."""
    with serve({"/file.bin": page}) as address:
        return transfer.fetch(f"{address}/file.bin", path, **QUICK | options)


def only(folder, *names):
    """Tell whether a folder holds these files and no others."""
    return sorted(path.name for path in folder.iterdir()) == sorted(names)
