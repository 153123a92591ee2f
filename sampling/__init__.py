"""What happens around the UNet while it samples. Here lie the files that the host calls in a run (wrappers, guidance,
iterations, pieces); what they lean on has rooms of its own below. Nothing here knows how motion gets into the UNet."""
