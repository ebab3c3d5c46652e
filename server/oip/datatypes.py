"""The protocol's datatypes that can be served, and how their elements lie in a binary tensor."""

from typing import Any

import numpy as np

BYTES = "BYTES"

# Little-endian by the protocol, whatever this machine is. FP16 and BF16 have no JSON form; BOOL no model here uses.
NUMERIC: dict[str, np.dtype[Any]] = {
    "UINT8": np.dtype("<u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("<i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
