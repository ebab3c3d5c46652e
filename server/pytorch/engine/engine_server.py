"""From the workers' requests to the loops that settle them."""

import logging
import os
import threading
from collections.abc import Callable

import torch

from server.http.metrics import Metrics
from server.ipc.messages import Cancel, EmbedFiles, EmbedPixels, Loaded, ToEngine
from server.oip.spec import IMAGE_BYTES, IMAGE_SHAPE
from server.oip.statistics import ModelStatistics
from server.pytorch.engine.channels import Channel, Channels, Service
from server.pytorch.engine.decode_loop import DecodeLoop, Decoder, JpegFile
from server.pytorch.engine.encode_loop import EncodeLoop, Encoder
from server.pytorch.engine.work import Encoded, EngineRequest, Segment, SegmentQueue

log = logging.getLogger("bakeoff.pytorch")


class EngineServer(Service):
    """Serves all workers until the last one has gone and no more will come."""

    def __init__(
        self,
        channels: Channels,
        encoder: Encoder,
        decoder: Decoder | None,
        *,
        delay_us: int,
        statistics: ModelStatistics,
        metrics: Metrics,
        beat: Callable[[], None],
    ) -> None:
        """Put the parts together.

        Args:
            decoder: None where the workers decode.
            delay_us: microseconds that the first image of a batch waits for company.
            statistics: of the pixel model; Triton, too, books an ensemble's executions on its inner model.
            beat: says that the engine works, which is to say that it has nothing to do or gets on with it.
        """
        self._channels = channels
        self._statistics = statistics
        self._metrics = metrics
        self._queue = SegmentQueue(delay_us)
        self._encode = EncodeLoop(encoder, self._queue, on_execution=self._record, on_error=_end_if_fatal)
        self._decode = DecodeLoop(decoder, self._queue, on_error=_end_if_fatal) if decoder else None
        self._requests: dict[tuple[Channel, int], EngineRequest] = {}
        self._say_well = beat
        self._moved = True

    def serve(self, loaded: Loaded) -> None:
        """Tell every worker that the model is loaded, and work until they are gone."""
        self._loaded = loaded
        if self._decode:
            self._decode.start()
        reader = threading.Thread(target=self._read, name="channels")
        reader.start()
        self._encode.run()  # in the main thread: the same model takes 10 to 20 % longer on a CPU in any other
        reader.join()

    def _read(self) -> None:
        try:
            self._channels.serve(self)
            if self._decode:
                self._decode.close()
        finally:
            self._queue.close()

    def beat(self) -> None:
        """Say that the engine is well, if it is."""
        if self._moved or not self._requests:
            self._moved = False
            self._say_well()

    def greet(self, channel: Channel) -> None:
        """Tell a worker what the engine is."""
        channel.send(self._loaded)

    def forget(self, channel: Channel) -> None:
        """Do no more than has been begun of what a worker that has gone had asked."""
        for (asking, _), request in list(self._requests.items()):
            request.cancelled |= asking is channel

    def handle(self, channel: Channel, message: ToEngine) -> None:
        """Begin with what a worker asks."""
        if isinstance(message, Cancel):
            if request := self._requests.get((channel, message.id)):
                request.cancelled = True
        elif isinstance(message, EmbedPixels):
            request = self._accept(channel, message.id, message.result, message.count)
            pixels = torch.from_numpy(channel.arena.view(message.offset, message.count * IMAGE_BYTES))
            self._queue.put([Segment(request, 0, pixels.view(message.count, *IMAGE_SHAPE))])
        else:
            self._put_files(channel, message)

    def _put_files(self, channel: Channel, message: EmbedFiles) -> None:
        assert self._decode, "workers send files only where the engine has said that it decodes"
        request = self._accept(channel, message.id, message.result, len(message.offsets))
        described = zip(message.offsets, message.lengths, message.pixels, strict=True)
        self._decode.put(
            [
                JpegFile(request, index, channel.arena.view(offset, length), pixels)
                for index, (offset, length, pixels) in enumerate(described)
            ]
        )

    def _accept(self, channel: Channel, identifier: int, result: int, count: int) -> EngineRequest:
        key = (channel, identifier)

        def reply(done: object) -> None:
            self._moved = True
            self._requests.pop(key, None)
            channel.send(done)  # type: ignore[arg-type]

        request = EngineRequest(identifier, channel.result(result, count), reply)
        self._requests[key] = request
        return request

    def _record(self, images: int, encoded: Encoded) -> None:
        self._moved = True
        self._statistics.record_execution(images, encoded.input_ns, encoded.infer_ns, encoded.output_ns)
        self._metrics.batch_size.observe(images)


def _end_if_fatal(error: Exception) -> None:
    """End the process when CUDA has failed: its context is lost, and only a new process gets another.

    Running out of memory is not of that kind.
    """
    if isinstance(error, torch.AcceleratorError) and not isinstance(error, torch.OutOfMemoryError):
        log.error("the GPU's context is lost, so the engine ends and is started again: %s", error)
        os._exit(1)
