"""The container's face: the status page and all that it shows, `/ready`, a photo through every backend, the quick benchmark, its reports.

A program of its own, so that no backend carries it. It listens on a Unix socket only: whoever serves port 8002 passes its
paths on (`server/http/passed_on.py`), behind that port's own checks.
"""
