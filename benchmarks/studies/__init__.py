"""Studies: each command answers one question about a task, an algorithm or a trained run."""
