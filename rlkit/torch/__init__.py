"""Networks, encoders and the algorithms' updates, in PyTorch."""
