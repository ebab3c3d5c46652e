"""The model: where its weights come from, the module that is served, its ONNX export and its reference embeddings."""
