"""Tests of rlkit.core."""
