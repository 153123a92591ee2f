"""Noise levels (sigmas): tables of them, the host's noise schedules by name, where in a schedule a run begins. Nothing
here draws noise."""
