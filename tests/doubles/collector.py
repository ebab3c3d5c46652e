"""A stand-in for an OpenTelemetry collector: it keeps the spans that it is sent by OTLP over HTTP."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Seen:
    """One span: who sent it, and where it belongs; ids in hexadecimal."""

    service: str
    name: str
    trace_id: str
    attributes: dict[str, str]


@dataclass
class Collector:
    """What has arrived so far."""

    url: str
    spans: list[Seen] = field(default_factory=list)

    def of(self, trace_id: str) -> list[Seen]:
        return [span for span in self.spans if span.trace_id == trace_id]

    def take_binary(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            facts = {one.key: one.value.string_value for one in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    attributes = {one.key: one.value.string_value for one in span.attributes}
                    self.spans.append(Seen(facts.get("service.name", ""), span.name, span.trace_id.hex(), attributes))

    def take_json(self, body: bytes) -> None:
        """Take what Triton sends: JSON, whose names are spelled like this or likeThis, by version."""
        for resource in _of(json.loads(body), "resource_spans"):
            facts = _attributes(resource["resource"])
            for scope in _of(resource, "scope_spans"):
                for span in scope["spans"]:
                    trace_id = span.get("trace_id") or span["traceId"]
                    self.spans.append(Seen(facts.get("service.name", ""), span["name"], trace_id, _attributes(span)))


def _of(found: dict[str, Any], name: str) -> list[dict[str, Any]]:
    first, second = name.split("_")
    return list(found.get(name) or found.get(first + second.capitalize()) or ())


def _attributes(found: dict[str, Any]) -> dict[str, str]:
    values = {one["key"]: one["value"] for one in found.get("attributes", ())}
    return {key: str(value.get("string_value") or value.get("stringValue") or "") for key, value in values.items()}


@contextmanager
def collector() -> Iterator[Collector]:
    """Run one on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            take = found.take_json if "json" in self.headers["Content-Type"] else found.take_binary
            take(body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Collector(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
