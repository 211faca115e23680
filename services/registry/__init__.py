"""Registry: who lives where, in what circumstances."""
