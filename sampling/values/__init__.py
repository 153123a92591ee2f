"""Values and prompts over frames and over the sampling, from text, curves and keyframes: plain mathematics, nothing of
the host."""
