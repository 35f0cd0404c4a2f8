"""Everything that learns: networks, encoders and the algorithms' updates, on PyTorch."""
