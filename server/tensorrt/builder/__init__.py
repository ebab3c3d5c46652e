"""Builds a TensorRT engine from an ONNX file: `python server/tensorrt/builder model.onnx --output model.plan`.

It runs with TensorRT 8.6, 10, 11 and TensorRT-RTX, and by itself, in whatever Python carries one of them: this folder alone,
wherever it lies, Python 3.10, the standard library, the TensorRT module and `cuda.bindings` are all it uses.

Standard output is one JSON object a line: `{"progress": 0..1, "phase": str}` while it works, `{"engine": {...}}` at the
end. TensorRT's own log goes to standard error. SIGTERM ends the build; a half-built engine is never left behind.
"""
