"""Every option of the stack, in one typed class.

Values come from environment variables (the upper-case field name) and from a `.env` file in the checkout, in that
order of precedence. The README's table is generated from this class (`tests/unit/test_settings.py` holds them equal).
"""

from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from server import shared_memory
from server.home import ENV_FILE, EnvFileProblem, Home, bakeoff_home, env_file
from server.keys import all_keys
from server.setting_types import (
    BACKEND_NAMES,
    Address,
    BackendName,
    Backends,
    HomeFolder,
    HostNames,
    Keys,
    Origins,
    Port,
    Precision,
    explained,
)
from server.stop import SHORTEST_S


class SettingsError(ValueError):
    """A setting has a value that is not allowed; the message names the variable, the value and what is allowed."""


class Settings(BaseSettings):
    """The options of the whole stack; read once per process with `load_settings`."""

    model_config = SettingsConfigDict(env_file=ENV_FILE, extra="ignore", frozen=True, env_ignore_empty=True)

    bakeoff_home: HomeFolder = Field(default_factory=bakeoff_home, description="folder of everything made at run time")
    baked_model: Path | None = Field(
        None, description="folder of a model exported beforehand, used where it lies; the image sets it"
    )
    backends: Backends = Field(
        BACKEND_NAMES,
        min_length=1,
        description="backends to run, separated by commas: `pytorch`, `onnx`, `tensorrt`. Set, it outranks `bakeoff keep`",
    )
    required_backends: Backends = Field(
        (),
        description="backends without which the container is not ready, separated by commas; empty: every enabled one "
        "that this hardware can run",
    )
    host: Address = Field(
        "127.0.0.1",
        description="IP address that every port binds, `::1` and `::` too (IPv6 only); the image sets `0.0.0.0`",
    )
    pytorch_http_port: Port = Field(
        8002, description="HTTP of the PyTorch server or, without it, of the gateway to a Triton; `/ready` and metrics"
    )
    onnx_http_port: Port = Field(8010, description="Triton with ONNX Runtime: HTTP")
    onnx_grpc_port: Port = Field(8011, description="Triton with ONNX Runtime: gRPC")
    onnx_metrics_port: Port = Field(8012, description="Triton with ONNX Runtime: Prometheus metrics")
    tensorrt_http_port: Port = Field(8020, description="Triton with TensorRT: HTTP")
    tensorrt_grpc_port: Port = Field(8021, description="Triton with TensorRT: gRPC")
    tensorrt_metrics_port: Port = Field(8022, description="Triton with TensorRT: Prometheus metrics")

    api_key: Keys = Field(
        (),
        description="keys that open the ports, separated by commas; clients send `Authorization: Bearer KEY`. Triton knows "
        "one key only, the first. Empty: the ports are open",
    )
    api_key_file: Path | None = Field(
        None, description="file with further keys, one a line; 8002 reads it again when it changes"
    )
    protect_metrics: bool = Field(
        True,
        description="with a key: `/metrics` on 8002 asks for it, and Triton's metrics, which cannot, bind 127.0.0.1",
    )
    allow_shared_memory: bool = Field(
        False,
        description="let clients on this machine register shared memory with Triton; without it that is closed, because "
        "the same call reads memory of other processes of ours",
    )
    allowed_hosts: HostNames = Field(
        (),
        description="names at which 8002 is asked, such as that of a proxy in front, separated by commas; `*.example.com` is all "
        "below one, `*` any. IP addresses, `localhost`, the machine's own name and names without a dot always are",
    )
    cors_origins: Origins = Field(
        (), description="web pages that may call 8002 from a browser, separated by commas; `*` is any. Empty: none"
    )

    pretrained: str = Field(
        "openai", min_length=1, description="weights: an open_clip tag of ViT-B-32, a checkpoint's path, or `random`"
    )
    pretrained_fallback: Literal["none", "random"] = Field(
        "none",
        description="what to use when a tag cannot be downloaded: stop (`none`), or go on with `random` and say so",
    )
    quick_gelu: bool = Field(
        False,
        description="the activation of a checkpoint given by its path (OpenAI's weights need it); tags know their own",
    )
    device: Literal["auto", "cuda", "cpu"] = Field("auto", description="`auto` takes the GPU when there is one")
    precision: Literal["auto"] | Precision = Field(
        "auto",
        description="arithmetic of all backends alike; `auto` is FP16 on a GPU, and on a CPU FP32, or BF16 where the "
        "processor has it and `BACKENDS=pytorch`, the only one that computes it. `tf32` is a GPU's shortened FP32",
    )
    decode: Literal["auto", "gpu", "cpu"] = Field(
        "auto", description="where the PyTorch server decodes JPEG files; `auto` takes the GPU when there is one"
    )

    max_batch_size: int = Field(128, ge=1, le=1024, description="most images in one request and in one batch")
    batch_delay_us: int = Field(
        0, ge=0, le=1_000_000, description="microseconds that a batch waits for company, on all backends alike"
    )
    cpu_threads: int = Field(
        0,
        ge=0,
        le=1024,
        description="threads of one model on a CPU; 0 takes the cores this process may use, by its affinity and its quota",
    )
    decode_workers: int = Field(
        0,
        ge=0,
        le=256,
        description="images decoded at once on 8002, requests decoded at once by each Triton; 0 takes the cores, at most 8",
    )
    max_megapixels: float = Field(
        100.0, gt=0, le=1000, description="largest image accepted, in million pixels, against decompression bombs"
    )
    decode_cpu_s: float = Field(
        10,
        gt=0,
        le=3600,
        description="seconds of processor time that decoding one image may take, on a CPU, before it is refused",
    )
    apply_exif_orientation: bool = Field(
        False,
        description="turn photos by their EXIF orientation, as people see them, before they are embedded; open_clip, the "
        "reference, ignores it",
    )
    http_workers: int = Field(
        0, ge=0, le=64, description="HTTP processes on 8002; 0 is 1 on a CPU and half the cores, at most 8, on a GPU"
    )
    max_queue_images: int = Field(
        1024,
        ge=1,
        le=1_000_000,
        description="images that may wait on 8002 for each GPU, or for the CPU or a Triton, before new requests are answered 503",
    )
    request_timeout_s: float = Field(
        60, gt=0, le=3600, description="seconds after which a request on 8002 that has no answer yet is answered 504"
    )
    max_body_mb: int = Field(
        256,
        ge=1,
        le=2048,
        description="largest request body accepted on 8002, and of JSON or a lone photo by a Triton that limits those, in MiB",
    )
    max_json_mb: int = Field(
        32,
        ge=1,
        le=256,
        description="largest JSON accepted on 8002, in MiB: of `/embed/base64` and of tensors that are not sent as binary data",
    )
    max_queue_requests: int = Field(
        256,
        ge=1,
        le=1_000_000,
        description="requests that may wait in each queue of a Triton before new ones are answered 503",
    )
    max_connections: int = Field(
        4096,
        ge=8,
        le=60_000,
        description="open connections on 8002, of all its HTTP processes together, before new ones are answered 503; fewer "
        "where the limit on open files does not hold them",
    )
    client_timeout_s: float = Field(
        20,
        gt=0,
        le=3600,
        description="seconds that a client of 8002 may take for its headers, and that its body may be behind 500 bytes a "
        "second, before it is answered 408",
    )
    pytorch_gpu_memory_mb: int = Field(0, ge=0, description="MiB of GPU memory for PyTorch's allocator; 0 is no limit")
    onnx_gpu_memory_mb: int = Field(0, ge=0, description="MiB of GPU memory for ONNX Runtime's arena; 0 is no limit")

    tensorrt_optimization_level: int = Field(
        3, ge=0, le=5, description="TensorRT's effort in finding kernels: 0 builds fastest, 5 searches longest"
    )
    compile_timeout_s: float = Field(1200, gt=0, description="seconds that building the TensorRT engine may take")
    engine_cache_gb: float = Field(
        10.0, ge=0, description="GB of TensorRT engines kept; those not used for longest go first"
    )

    warmup_max_batch: int = Field(
        0, ge=0, le=1024, description="largest batch warmed; 0 is `MAX_BATCH_SIZE` on a GPU and 16 on a CPU"
    )
    load_timeout_s: float = Field(600, gt=0, description="seconds a backend may take from its start to answering")
    probe_interval_s: float = Field(1.0, gt=0, le=60, description="seconds between the gate's looks at each backend")
    canary_interval_s: float = Field(
        5.0,
        gt=0,
        le=3600,
        description="seconds between two photos that the gate has each ready backend embed, to compare with the reference",
    )
    hang_timeout_s: float = Field(
        30,
        gt=0,
        le=3600,
        description="seconds after which a backend that hangs, or answers the gate with errors, is killed and restarted",
    )
    stop_timeout: float = Field(
        9, ge=SHORTEST_S, le=600, description="seconds in which SIGTERM drains and stops everything"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least severe log line printed")
    log_format: Literal["text", "json"] = Field(
        "text", description="log lines for people, or one JSON object a line, Triton's lines as its `message`"
    )
    otlp_endpoint: str = Field(
        "",
        pattern=r"^(https?://[^\s,]+[^/\s,])?$",
        description="base URL of an OpenTelemetry collector (OTLP over HTTP, such as `http://collector:4318`) that all "
        "backends send traces to. Empty: none",
    )
    trace_rate: int = Field(1, ge=1, description="one request in so many is traced")

    @model_validator(mode="after")
    def _required_are_enabled(self) -> "Settings":
        if missing := set(self.required_backends) - set(self.backends):
            raise ValueError(f"REQUIRED_BACKENDS names {', '.join(sorted(missing))}, which BACKENDS does not enable")
        return self

    @model_validator(mode="after")
    def _ports_differ(self) -> "Settings":
        seen: dict[int, str] = {}
        for name, value in self:
            if name.endswith("_port") and (other := seen.setdefault(value, name)) != name:
                raise ValueError(f"{name.upper()} and {other.upper()} are both {value}; every port must be different")
        return self

    @model_validator(mode="after")
    def _key_file_can_be_read(self) -> "Settings":
        _ = self.keys
        return self

    @property
    def listed_keys(self) -> tuple[str, ...]:
        """The keys of `API_KEY`, without those of the file."""
        return tuple(key.get_secret_value() for key in self.api_key)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Every key, those of the file last, as it was when this program started; empty when the ports are open."""
        return all_keys(self.listed_keys, self.api_key_file)

    @property
    def traces_url(self) -> str:
        """Where the collector takes traces by OTLP over HTTP (OpenTelemetry Protocol specification)."""
        return f"{self.otlp_endpoint}/v1/traces"

    @property
    def backends_are_set(self) -> bool:
        """Whether `BACKENDS` was set, and is not what it is by itself."""
        return "backends" in self.model_fields_set

    @property
    def tritons(self) -> tuple[BackendName, ...]:
        """The enabled backends that a Triton serves."""
        return tuple(name for name in self.backends if name != "pytorch")

    @cached_property
    def home(self) -> Home:
        """The folders under `BAKEOFF_HOME`."""
        return Home(self.bakeoff_home)


def load_settings() -> Settings:
    """Read the settings from the environment and `.env`.

    `max_batch_size` is smaller than what was set where /dev/shm would not hold such batches; the preflight says so.

    Raises:
        SettingsError: naming each offending variable, its value and what is allowed; or `.env` cannot be read.
    """
    try:
        env_file()  # says what is wrong with the file, where pydantic's own reading of it ends in a traceback
        settings = Settings()
    except EnvFileProblem as error:
        raise SettingsError(str(error)) from None
    except ValidationError as error:
        raise SettingsError("\n".join(map(explained, error.errors()))) from None
    largest = shared_memory.largest_batch(settings.max_batch_size, len(settings.tritons))
    return settings.model_copy(update={"max_batch_size": largest})
