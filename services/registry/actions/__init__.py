"""What registry can do: one function a verb, one file a noun."""
