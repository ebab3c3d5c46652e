"""What a network consists of, for its description."""

from collections import Counter
from typing import Any


def tensors(trt: Any, network: Any) -> list[dict[str, Any]]:
    """Return the network's inputs and outputs: `name`, `mode`, `type`, `shape`."""
    inputs = [("input", network.get_input(index)) for index in range(network.num_inputs)]
    outputs = [("output", network.get_output(index)) for index in range(network.num_outputs)]
    return [
        {"name": tensor.name, "mode": mode, "type": tensor.dtype.name, "shape": list(tensor.shape)}
        for mode, tensor in inputs + outputs
    ]


def layers(network: Any) -> list[dict[str, Any]]:
    """Return the network's layers by kind and type, before TensorRT fuses them; `bytes` counts their constants."""
    counts: Counter[tuple[str, str]] = Counter()
    sizes: Counter[tuple[str, str]] = Counter()
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        tensor = layer.get_output(0)
        if tensor is None:
            continue
        kind = (layer.type.name, tensor.dtype.name)
        counts[kind] += 1
        if layer.type.name == "CONSTANT":
            sizes[kind] += tensor.dtype.itemsize * _volume(tensor.shape)
    return [
        {"layer": layer, "type": datatype, "count": count, "bytes": int(sizes[layer, datatype])}
        for (layer, datatype), count in counts.most_common()
    ]


def _volume(shape: Any) -> int:
    volume = 1
    for extent in shape:
        volume *= extent
    return volume
