"""The PyTorch backend: HTTP workers in front of one engine process per GPU.

`__main__` starts the processes. A worker reads bodies straight into memory that it shares with the engines (`ipc`), and
an engine merges what all workers ask for into batches (`engine`). Within a worker: routes -> service -> engines.
"""
