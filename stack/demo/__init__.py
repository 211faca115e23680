"""The demonstration: one county's register goes round the whole loop on a practice stack; every figure is read back
and compared.
"""
