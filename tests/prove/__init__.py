"""Every guarantee, with its guard removed: the break is planted in a copy, and the named test must fail, by assertion.

`make prove` plants them one by one. The unbroken copy must be green first; the broken one must still import and pass
mypy, so that what fails is the guarantee and not the grammar.
"""
