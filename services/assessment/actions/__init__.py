"""What assessment can do: load, decide, save, announce; one file a noun."""
