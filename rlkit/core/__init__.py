"""The outer loop and what every algorithm shares: configuration, logging, checkpoints, evaluation, seeds."""
