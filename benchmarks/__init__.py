"""Commands that measure or stress the code base; each prints what it found."""
