"""The outer loop and what every algorithm shares.

Configuration, logging, checkpoints, evaluation, seeds.
"""
