"""What a judgement is, and what follows from circumstances; and the procedures that act on it."""
