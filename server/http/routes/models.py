"""Which model a path of the Open Inference Protocol names."""

from typing import Annotated

from fastapi import Depends

from server.http.context import Context, context
from server.oip.errors import InferenceError
from server.oip.model import ModelSpec


async def model_spec(model: str, parts: Annotated[Context, Depends(context)], version: str = "1") -> ModelSpec:
    """FastAPI dependency: the model that the path names.

    Raises:
        InferenceError: 404, naming the models that are served.
    """
    spec = parts.specs.get(model)
    if spec is None:
        raise InferenceError(404, f"unknown model '{model}'; this server has {', '.join(parts.specs)}")
    if version not in spec.versions:
        raise InferenceError(
            404, f"unknown version '{version}' of model '{model}'; there is {', '.join(spec.versions)}"
        )
    return spec


SpecDependency = Annotated[ModelSpec, Depends(model_spec)]
