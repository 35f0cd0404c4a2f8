"""Benchmarks: commands that measure speed and memory, or stress a run, and print what they found.

They are run again whenever the code that they measure changes. `studies` has what answers one
question once, `publishing` what writes docs/results and the figures. The plain twins that the
benchmarks compare with are in tests/reference.
"""
