"""What can be counted or listed: one file a noun."""
