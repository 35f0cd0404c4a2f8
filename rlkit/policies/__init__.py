"""Policies as samplers see them: the protocols for acting in an environment."""
