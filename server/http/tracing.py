"""OpenTelemetry traces of port 8002; each Triton sends its own (`server/triton/arguments.py`), joined by the trace id.

Source of the header: W3C Trace Context. Of the attributes' names: OpenTelemetry's semantic conventions for HTTP.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import Scope

from server.settings import Settings

HEADERS = ("traceparent", "tracestate")

_propagator = TraceContextTextMapPropagator()


class Tracing:
    """Makes a span of every request that is to be traced."""

    def __init__(self, settings: Settings, service: str) -> None:
        """Send spans of `service` to `settings.otlp_endpoint` from a thread of its own; what cannot be sent is dropped and logged."""
        # Half a second to import, which is for those who want traces.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(1 / settings.trace_rate)),
            resource=Resource.create({"service.name": service}),
        )
        exporter = OTLPSpanExporter(endpoint=settings.traces_url)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("bakeoff")

    @contextmanager
    def span(self, scope: Scope) -> Iterator[Span]:
        """Cover a request; it continues the trace that its headers name."""
        carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        with self._tracer.start_as_current_span(
            f"{scope['method']} {scope['path']}",
            context=_propagator.extract(carrier),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": scope["method"], "url.path": scope["path"]},
        ) as span:
            yield span

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


def note_stages(seconds: Mapping[str, float]) -> None:
    """Add to the current request's span how long its stages took, in milliseconds."""
    span = trace.get_current_span()
    if span.is_recording():
        span.set_attributes({f"bakeoff.{stage}_ms": 1e3 * took for stage, took in seconds.items()})


def onward(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the trace headers of a request that serves the current one: of its span, or else as they came."""
    carrier = {name: headers[name] for name in HEADERS if name in headers}
    _propagator.inject(carrier)
    return carrier
