"""What is done with finished clips: side by side in a grid, how they move, an animated file. Pixels in, pixels and
numbers out; nothing of the host."""
