"""Training of the VQ-VAE that turns colour maps into visual tokens."""
