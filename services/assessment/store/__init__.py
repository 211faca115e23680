"""How it is remembered: load, lock, save; one file a noun."""
