"""The readiness gate: it drives every backend from its start to `ready`, and says so in one document (`server.readiness`)."""
