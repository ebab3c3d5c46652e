"""JPEG files decoded by the GPU (nvJPEG through torchvision; the hardware decoder where the chip has one)."""

import warnings

import torch
from torch import Tensor
from torchvision.io import ImageReadMode, decode_jpeg

from server.images.orientation import UPRIGHT, orientation
from server.ipc.arena import Bytes
from server.pytorch.engine.resize import resize_and_crop
from server.pytorch.engine.upright import upright

# The files are views of memory that this process only reads.
warnings.filterwarnings("ignore", message="The given NumPy array is not writable")


class GpuDecoder:
    """Decodes on the current GPU, in a stream of its own. One thread at a time."""

    @torch.inference_mode()
    def __init__(self, probe: Bytes, *, apply_orientation: bool = False) -> None:
        """Try the decoder on one good file.

        Args:
            apply_orientation: turn each image by its EXIF orientation.

        Raises:
            RuntimeError: this torchvision or this GPU has no nvJPEG.
        """
        self._apply_orientation = apply_orientation
        self._stream = torch.cuda.Stream(priority=-1)  # small work, and the encoder waits for it
        self._last: tuple[list[Tensor | None], torch.cuda.Event] | None = None
        with torch.cuda.stream(self._stream):
            decode_jpeg(torch.from_numpy(probe), mode=ImageReadMode.RGB, device="cuda")

    @torch.inference_mode()
    def prepare(self, files: list[Bytes]) -> tuple[Tensor, set[int], torch.cuda.Event]:
        """Decode, resize and crop; see `Decoder.prepare`."""
        with torch.cuda.stream(self._stream):
            images = _decode([torch.from_numpy(file) for file in files])
            if self._last is not None:
                # torchvision decodes in a stream of its own, without waiting for ours: the images before were kept, so
                # that this call could not write over them while they were still being resized.
                self._last[1].synchronize()
            alike: dict[tuple[torch.Size, int], list[int]] = {}
            for position, image in enumerate(images):
                if image is not None:
                    turned = orientation(files[position].data) if self._apply_orientation else UPRIGHT
                    alike.setdefault((image.shape, turned), []).append(position)
            pixels = torch.empty((len(files), 3, 224, 224), dtype=torch.uint8, device="cuda")
            for (_, turned), positions in alike.items():
                stacked = torch.stack([images[position] for position in positions])  # type: ignore[misc]
                prepared = resize_and_crop(upright(stacked, turned))
                if len(positions) == len(files):
                    pixels = prepared
                else:
                    pixels[torch.tensor(positions, device="cuda")] = prepared
            ready = torch.cuda.Event()
            ready.record()
            self._last = (images, ready)
        refused = {position for position, image in enumerate(images) if image is None}
        return pixels, refused, ready


def _decode(files: list[Tensor]) -> list[Tensor | None]:
    """Decode all at once; when one of them is refused, one by one, with None for each refused."""
    try:
        return list(decode_jpeg(files, mode=ImageReadMode.RGB, device="cuda"))
    except torch.AcceleratorError:
        raise
    except RuntimeError:
        return [_decode_alone(file) for file in files]


def _decode_alone(file: Tensor) -> Tensor | None:
    try:
        image: Tensor = decode_jpeg(file, mode=ImageReadMode.RGB, device="cuda")
    except torch.AcceleratorError:
        raise
    except RuntimeError:
        return None
    return image
