"""The four environments of PETS (Chua et al. 2018)."""
