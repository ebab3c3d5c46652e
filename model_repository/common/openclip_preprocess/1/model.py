"""Decodes, resizes and crops image files with the code that the PyTorch server uses.

Without dynamic batching: a request is prepared by one instance, and several requests by several instances at once.
"""

import json

import numpy as np
import triton_python_backend_utils as pb_utils

from server.images import ImageError, prepare


class TritonPythonModel:
    """Input `encoded_image` BYTES [N, 1]; output `image` UINT8 [N, 3, 224, 224]."""

    def initialize(self, args):
        """Read the limit on an image's size."""
        config = json.loads(args["model_config"])
        self._max_pixels = int(config["parameters"]["max_pixels"]["string_value"])

    def execute(self, requests):
        """Answer each request; one with a bad image gets an error that names the item."""
        return [self._answer(request) for request in requests]

    def _answer(self, request):
        files = pb_utils.get_input_tensor_by_name(request, "encoded_image").as_numpy().ravel()
        pixels = np.empty((len(files), 3, 224, 224), np.uint8)
        for index, file in enumerate(files):
            try:
                pixels[index] = prepare(file, max_pixels=self._max_pixels)
            except ImageError as error:
                message = str(error.in_item(f"encoded_image[{index}]"))
                return pb_utils.InferenceResponse(error=pb_utils.TritonError(message, pb_utils.TritonError.INVALID_ARG))
        return pb_utils.InferenceResponse([pb_utils.Tensor("image", pixels)])
