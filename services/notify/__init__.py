"""告知: who is told what, and did it hang. Public notices first; channels to people come later."""
