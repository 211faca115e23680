"""What a household, a person, a membership, a status and an income are, and what follows. No I/O, no clock."""
