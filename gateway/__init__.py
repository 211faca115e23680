"""Envoy's configuration: one template for the embedded stack and for compose."""
