"""The load generator, the statistics and the report. It knows the servers only through the network."""
