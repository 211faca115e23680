"""One machine's PostgreSQL, Kafka, Envoy and services: start, watch, stop; and the `tuopin` command."""
