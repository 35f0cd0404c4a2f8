"""STEVE: critic targets from model rollouts of several lengths, weighted by their variance."""
