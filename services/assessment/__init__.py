"""Assessment: what a household's circumstances mean."""
