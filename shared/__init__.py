"""The language and the plumbing that the four services share; it holds no opinion about their nouns."""
