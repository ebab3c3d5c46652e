"""Decodes, resizes and crops image files with the code that the PyTorch server uses.

Without dynamic batching: a request is prepared by one instance, and several requests by several instances at once. The
files of one request are decoded in parallel, as the PyTorch server does it.
"""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import triton_python_backend_utils as pb_utils

from server.images import ImageError, prepare


class TritonPythonModel:
    """Input `encoded_image` BYTES [N, 1]; output `image` UINT8 [N, 3, 224, 224]."""

    def initialize(self, args):
        """Read the limit on an image's size and whether to turn images, and start the threads."""
        parameters = json.loads(args["model_config"])["parameters"]
        self._max_pixels = int(parameters["max_pixels"]["string_value"])
        self._upright = parameters["apply_exif_orientation"]["string_value"] == "true"
        self._threads = ThreadPoolExecutor(int(parameters["threads"]["string_value"]), "decode")

    def execute(self, requests):
        """Answer each request; one with a bad image gets an error that names the item."""
        return [self._answer(request) for request in requests]

    def _answer(self, request):
        files = pb_utils.get_input_tensor_by_name(request, "encoded_image").as_numpy().ravel()
        pixels = np.empty((len(files), 3, 224, 224), np.uint8)
        try:
            if len(files) == 1:  # nothing to share out
                self._prepare(files, pixels, 0)
            else:
                list(self._threads.map(lambda index: self._prepare(files, pixels, index), range(len(files))))
        except ImageError as error:
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error), pb_utils.TritonError.INVALID_ARG))
        return pb_utils.InferenceResponse([pb_utils.Tensor("image", pixels)])

    def _prepare(self, files, pixels, index):
        try:
            pixels[index] = prepare(files[index], max_pixels=self._max_pixels, upright=self._upright)
        except ImageError as error:
            raise error.in_item(f"encoded_image[{index}]") from error

    def finalize(self):
        """End the threads."""
        self._threads.shutdown(cancel_futures=True)
