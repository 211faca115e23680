"""Registers in which some people stand twice: what finding them is trained and measured on."""
