"""A Triton that serves TensorRT: before its models can be loaded it needs a plan for this machine in its repository."""

from server.backend_addresses import BackendAddress
from server.backends.client import BackendClient
from server.backends.interface import Hopeless, Report, Stopping
from server.backends.triton import TritonBackend
from server.hardware import Hardware
from server.model.artifacts import ModelArtifacts, ModelError, graph_precision
from server.oip.spec import ENCODED_MODEL, PIXEL_MODEL
from server.settings import Settings
from server.tensorrt import current
from server.tensorrt.builder_process import BuildCancelled, BuildFailed
from server.tensorrt.plans import ensure_plan
from server.triton import tensorrt_backend
from server.triton.installation import find_installation
from server.triton.repository import place_model


class TensorRTBackend(TritonBackend):
    """Builds the plan or takes it from the cache, puts it in place and has Triton load it."""

    def __init__(
        self,
        address: BackendAddress,
        settings: Settings,
        hardware: Hardware,
        model: ModelArtifacts,
    ) -> None:
        super().__init__(address)
        self._settings = settings
        self._hardware = hardware
        self._model = model

    def unavailable_reason(self) -> str | None:
        """Return why this machine cannot run TensorRT, or None when it can."""
        return tensorrt_backend.unavailable_reason(self._hardware)

    def prepare(self, client: BackendClient, report: Report) -> None:
        """Get the plan, which may take minutes the first time, and load it unless Triton has found it by itself.

        Raises:
            Hopeless: none can be built here.
            BackendError: Triton cannot load it.
            OSError: it cannot be written to the cache or the repository.
            Stopping: the gate lets go of it.
        """
        report(0.0, "comparing versions")
        precision = self._hardware.precision
        try:
            tensorrt_backend.check_versions(find_installation())
            onnx = self._model.onnx.get(graph_precision(precision))
            if onnx is None:
                raise ModelError(f"there is no {precision.upper()} export; run `bakeoff export` again")
            plan = ensure_plan(self._settings, onnx, precision, report, self.stopping)
            current.put(self._settings, plan.manifest.key)
            place_model(self._settings.home.repositories / self.address.name, plan.path)
        except BuildCancelled:
            raise Stopping from None
        except (BuildFailed, ModelError, tensorrt_backend.VersionMismatch) as error:
            raise Hopeless(str(error)) from error
        except OSError as error:
            raise OSError(f"the engine cannot be put in place: {error}; free some space or fix the folder") from error
        report(1.0, "loading the engine")
        for model in (PIXEL_MODEL, ENCODED_MODEL):
            if not client.model_ready(model):
                client.load(model)
