"""What acts in an environment: the protocols that samplers rely on."""
