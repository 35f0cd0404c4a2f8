"""Tests of rlkit.launchers."""
