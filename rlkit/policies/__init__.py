"""Policies: the protocols that samplers rely on, and simple policies."""
