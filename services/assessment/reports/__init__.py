"""What can be counted or listed: read-only questions, one file a noun."""
