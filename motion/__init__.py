"""Motion models: files, mathematics, and how they get into the host's UNet."""
