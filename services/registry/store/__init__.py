"""How the register is remembered: one file a noun, and the set-wise roads of intake and announcing."""
