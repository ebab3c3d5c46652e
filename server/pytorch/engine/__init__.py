"""The engine: one process per GPU (or for the CPU) that owns the model and takes work from every worker.

A channel receives requests; JPEG files pass the decode loop, pixels go straight to the queue; the encode loop merges and
splits what waits into batches. Threads hand work on through queues, and none waits for a thing that another could do.
"""
