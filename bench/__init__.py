"""One command per named speed, each a ratio to a baseline of the same run."""
