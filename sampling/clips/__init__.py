"""What is done with finished clips: side by side in a grid, and how they move. Pixels in, pixels and numbers out;
nothing of the host."""
