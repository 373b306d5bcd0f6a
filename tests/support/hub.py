"""A stand-in of the Hugging Face hub that speaks as much of its protocol as huggingface_hub needs for one commit.

``Hub.files`` is what a repository holds, ``Hub.asked`` what was asked for. ``Hub.cut`` bytes of a file are sent, and
then the connection is closed, ``Hub.cuts`` times. ``Hub.refuses`` are parts of paths that are answered with 403.
"""

import base64
import contextlib
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "a" * 40


class Hub(ThreadingHTTPServer):
    """Holds repositories in memory."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Speaker)
        self.files, self.stored, self.asked, self.cards = {}, {}, [], []
        self.cut, self.cuts, self.refuses = 0, 0, []

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"


class Speaker(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        self.answer_to(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    do_PUT = do_POST  # noqa: N815

    def do_GET(self):
        self.answer_to(b"")

    do_HEAD = do_GET  # noqa: N815

    def answer_to(self, body):
        hub, path = self.server, unquote(urlsplit(self.path).path)
        hub.asked.append((self.command, path, {name.lower(): value for name, value in self.headers.items()}))
        if any(part in path for part in hub.refuses):
            return self.say(403, {"error": f"no, {self.headers.get('Authorization')}"})
        if path == "/api/repos/create":
            asked = json.loads(body)
            return self.say(200, {"url": f"{hub.address}/{asked['organization']}/{asked['name']}"})
        if path == "/api/validate-yaml":
            hub.cards.append(json.loads(body)["content"])
            return self.say(200, {"errors": [], "warnings": []})
        if "/preupload/" in path:
            files = [part["path"] for part in json.loads(body)["files"]]
            modes = [{"path": p, "uploadMode": "lfs" if p.endswith(".safetensors") else "regular"} for p in files]
            return self.say(200, {"files": [mode | {"shouldIgnore": False} for mode in modes]})
        if path.endswith("/info/lfs/objects/batch"):
            objects = [
                part | {"actions": {"upload": {"href": f"{hub.address}/store/{part['oid']}"}}}
                for part in json.loads(body)["objects"]
            ]
            return self.say(200, {"transfer": "basic", "objects": objects})
        if path.startswith("/store/"):
            hub.stored[path.rpartition("/")[2]] = body
            return self.say(200, {})
        if "/commit/" in path:
            return self.commit([json.loads(line) for line in body.splitlines()])
        if "/tree/" in path:
            sums = {name: hashlib.sha1(data).hexdigest() for name, data in hub.files.items()}
            rows = [{"type": "file", "path": p, "size": len(hub.files[p]), "oid": oid} for p, oid in sums.items()]
            return self.say(200, rows)
        if path.startswith("/api/models/"):
            siblings = [{"rfilename": name, "size": len(data)} for name, data in hub.files.items()]
            return self.say(200, {"id": "me/agent", "sha": COMMIT, "siblings": siblings, "tags": []})
        if "/resolve/" in path:
            return self.send(hub.files.get(path.partition(f"/resolve/{COMMIT}/")[2]))
        return self.say(404, {"error": path})

    def commit(self, lines):
        made = {}
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                made[value["path"]] = base64.b64decode(value["content"])
            if line["key"] == "lfsFile":
                made[value["path"]] = self.server.stored[value["oid"]]
        self.server.files |= made
        url = f"{self.server.address}/me/agent/commit/{COMMIT}"
        self.say(200, {"success": True, "commitOid": COMMIT, "commitUrl": url})

    def send(self, data):
        if data is None:
            return self.say(404, {"error": "no such file"})
        begin = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").partition("-")[0])
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(data) - begin))
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        if self.command == "HEAD":
            return None
        if self.server.cuts and self.server.cut < len(data) - begin:
            self.server.cuts -= 1
            self.wfile.write(data[begin : begin + self.server.cut])
            self.wfile.flush()
            self.close_connection = True
            return None
        self.wfile.write(data[begin:])
        return None

    def say(self, code, value):
        data = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


@contextlib.contextmanager
def standing_in():
    """A hub that answers while the block runs."""
    hub = Hub()
    thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
