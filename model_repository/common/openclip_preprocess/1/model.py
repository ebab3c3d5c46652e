"""Decodes, resizes and crops image files with the code that the PyTorch server uses.

Without dynamic batching: a request is prepared by one instance, and several requests by several instances at once. The
files of one request are decoded in parallel, as the PyTorch server does it, and in processes of their own as there: one that
takes too long is ended alone, and Triton, which starts no stub again, does not notice.
"""

import json

import numpy as np
import triton_python_backend_utils as pb_utils

from server.images import ImageError
from server.images.decoding import Decoders, decoded, image_errors


class TritonPythonModel:
    """Input `encoded_image` BYTES [N, 1]; output `image` UINT8 [N, 3, 224, 224]."""

    def initialize(self, args):
        """Read the limits on an image and whether to turn images, and start the decoders."""
        parameters = {
            name: value["string_value"] for name, value in json.loads(args["model_config"])["parameters"].items()
        }
        self._decoders = Decoders(
            int(parameters["decoders"]),
            max_pixels=int(parameters["max_pixels"]),
            upright=parameters["apply_exif_orientation"] == "true",
            cpu_s=float(parameters["cpu_s"]),
            wall_s=float(parameters["wall_s"]),
            python=parameters["python"],
        )

    def execute(self, requests):
        """Answer each request; one with a bad image gets an error that names the item."""
        return [self._answer(request) for request in requests]

    def _answer(self, request):
        files = pb_utils.get_input_tensor_by_name(request, "encoded_image").as_numpy().ravel()
        pixels = np.empty((len(files), 3, 224, 224), np.uint8)
        waiting = [self._decoders.submit(file) for file in files]
        try:
            for index, one in enumerate(waiting):
                with image_errors():
                    pixels[index] = decoded(one.result()).pixels
        except ImageError as error:
            named = str(error.in_item(f"encoded_image[{index}]"))
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(named, pb_utils.TritonError.INVALID_ARG))
        finally:
            for one in waiting:
                one.cancel()
        return pb_utils.InferenceResponse([pb_utils.Tensor("image", pixels)])

    def finalize(self):
        """End the decoders."""
        self._decoders.close()
