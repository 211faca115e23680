"""What may be asked over HTTP, by whom, in what shape; one file a noun."""
