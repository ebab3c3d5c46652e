"""The load generator: client processes, their connections and what they send. The same code for every backend."""
