"""A W&B server of a few lines on loopback: it takes runs, pictures and reports, hangs or refuses on request."""

import gzip
import json
import re
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

# Of valid form; no server knows it.
KEY = "0123456789abcdef" * 2 + "01234567"
ENTITY = "somebody"


@dataclass
class StoredRun:
    """What arrived of one run; `lines` are the history's by their offset, `sent` counts them with repetitions."""

    name: str
    about: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    lines: dict[int, dict[str, Any]] = field(default_factory=dict)
    sent: int = 0
    summary: dict[str, Any] = field(default_factory=dict)
    exit_code: int | None = None
    files: dict[str, bytes] = field(default_factory=dict)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows that are epochs, in order, without pictures and what W&B adds to each."""
        rows = [self.lines[offset] for offset in sorted(self.lines)]
        kept = [{k: v for k, v in row.items() if not k.startswith("_") and k != "val/pictures"} for row in rows]
        return [row for row in kept if "val/dice" in row]


class QuietServer(ThreadingHTTPServer):
    """Says nothing of clients that hang up."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Show what is not a client that hung up."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class WandbServer:
    """Use as a context: `url` is its address, `environment` what a process needs to talk to it."""

    def __init__(self) -> None:
        self.runs: dict[str, StoredRun] = {}
        self.reports: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.status = 200
        self.delay = 0.0
        # How many of the requests that bring rows are to fail first.
        self.stumbles = 0
        # What stands in the paths of requests that it answers with 403.
        self.refuses = ""
        self.closing = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments: Any) -> None:
                """Say nothing."""

            def answer(self) -> None:
                if server.closing.is_set():
                    self.close_connection = True
                    return
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                # It ends with the server, so that no thread is left.
                if server.delay and server.closing.wait(server.delay):
                    self.close_connection = True
                    return
                status, reply = server.status, {}
                if server.refuses and server.refuses in self.path:
                    status = 403
                elif self.path.endswith("/file_stream") and server.stumbles:
                    server.stumbles -= 1
                    status = 500
                else:
                    reply = server.reply(unquote(self.path), body)
                content = json.dumps(reply).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        for method in ("GET", "POST", "PUT"):
            setattr(Handler, f"do_{method}", Handler.answer)
        self.http = QuietServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.environment = {"WANDB_BASE_URL": self.url, "WANDB_API_KEY": KEY, "WANDB_MODE": "online"}

    def __enter__(self) -> "WandbServer":
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.die()

    def die(self) -> None:
        """Refuse all connections from now on, and drop those that are open."""
        self.closing.set()
        self.http.shutdown()
        self.http.server_close()

    def reply(self, path: str, body: bytes) -> dict[str, Any]:
        if path == "/graphql":
            request = json.loads(body)
            if "query" not in request:
                return {}
            name = re.search(r"(?:query|mutation)\s+(\w+)", request["query"])[1]
            self.asked.append(name)
            if self.status != 200:
                return {"errors": [{"message": "not today"}]}
            answers: dict[str, Callable[[dict[str, Any]], Any]] = {
                "RunResumeStatus": self._resume,
                "UpsertBucket": self._upsert_run,
                "CreateRunFiles": self._create_files,
                "upsertView": self._upsert_report,
            }
            answer = answers.get(name, self._other)
            return {"data": answer(request.get("variables") or {})}
        if path.endswith("/file_stream"):
            self._stream(self.runs[path.split("/")[-2]], json.loads(body))
        elif path.startswith("/put/"):
            _, _, run, name = path.split("/", 3)
            self.runs[run].files[name] = body
        return {}

    def _resume(self, asked: dict[str, Any]) -> dict[str, Any]:
        run = self.runs.get(asked["name"])
        if not run:
            return {"model": {"entity": {"id": "e", "name": ENTITY}, "bucket": None}}
        tail = [json.dumps(run.lines[max(run.lines)])] if run.lines else []
        counts = {"logLineCount": 0, "historyLineCount": len(run.lines), "eventsLineCount": 0}
        known = {"summaryMetrics": json.dumps(run.summary), "config": json.dumps(run.config), "tags": run.about["tags"]}
        known |= {"historyTail": json.dumps(tail), "eventsTail": "[]", "wandbConfig": json.dumps({"t": 1})}
        bucket = {"id": run.name, "name": run.name, "displayName": run.about["displayName"], "notes": None}
        return {"model": {"entity": {"id": "e", "name": ENTITY}, "bucket": bucket | counts | known}}

    def _upsert_run(self, asked: dict[str, Any]) -> dict[str, Any]:
        inserted = asked["name"] not in self.runs
        run = self.runs.setdefault(asked["name"], StoredRun(asked["name"]))
        run.about |= {key: value for key, value in asked.items() if value is not None and key != "config"}
        run.config = json.loads(asked["config"] or "{}") or run.config
        project = {"id": "p", "name": asked["project"], "entity": {"id": "e", "name": ENTITY}}
        bucket = {"id": run.name, "name": run.name, "displayName": run.about.get("displayName"), "project": project}
        bucket |= {"description": None, "config": None, "sweepName": None, "historyLineCount": len(run.lines)}
        return {"upsertBucket": {"bucket": bucket, "inserted": inserted}}

    def _create_files(self, asked: dict[str, Any]) -> dict[str, Any]:
        files = [{"name": name, "uploadUrl": f"{self.url}/put/{asked['run']}/{name}"} for name in asked["files"]]
        return {"createRunFiles": {"runID": asked["run"], "uploadHeaders": [], "files": files}}

    def _stream(self, run: StoredRun, sent: dict[str, Any]) -> None:
        files = sent.get("files") or {}
        history = files.get("wandb-history.jsonl") or {"offset": 0, "content": []}
        for place, line in enumerate(history["content"], history["offset"]):
            run.lines[place] = json.loads(line)
            run.sent += 1
        for line in (files.get("wandb-summary.json") or {"content": []})["content"]:
            run.summary = json.loads(line)
        if sent.get("complete"):
            run.exit_code = sent["exitcode"]

    def _upsert_report(self, asked: dict[str, Any]) -> dict[str, Any]:
        key = asked["id"] or f"report{len(self.reports)}"
        self.reports[key] = {**asked, "id": key, "spec": json.loads(asked["spec"])}
        return {"upsertView": {"view": self._view(key), "inserted": not asked["id"]}}

    def _view(self, key: str) -> dict[str, Any]:
        kept = self.reports[key]
        names = ("id", "type", "name", "displayName", "description")
        project = {"id": "p", "name": kept["projectName"], "entityName": kept["entityName"]}
        times = dict.fromkeys(("createdAt", "updatedAt"), "2026-01-01T00:00:00")
        return {**{name: kept[name] for name in names}, **times, "project": project, "spec": json.dumps(kept["spec"])}

    def _other(self, asked: dict[str, Any]) -> dict[str, Any]:
        edges = [{"node": {**self._view(key), "user": None}, "cursor": key} for key in self.reports]
        page = {"endCursor": None, "hasNextPage": False}
        project = {"id": "p", "internalId": "UHJvamVjdDox", "name": "p", "entityName": ENTITY}
        project |= {"createdAt": "2026-01-01T00:00:00", "isBenchmark": False, "user": None}
        return {
            "viewer": {"id": "v", "entity": ENTITY, "username": ENTITY, "teams": {"edges": []}, "flags": "{}"},
            "serverInfo": {"features": []},
            "project": {**project, "allViews": {"edges": edges, "pageInfo": page}},
            "models": {"edges": [{"node": project, "cursor": "c"}], "pageInfo": page},
        }
