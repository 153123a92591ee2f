"""What happens around the UNet while it samples: noise schedules, runs."""
