"""Long clips in windows: which frames are sampled together, how a call is cut to them, how they are blended. Nothing
here draws noise or reads what a user typed.

`model_options["context_handler"]` holds a `handler.WindowHandler`, a subclass of the host's `IndexListContextHandler`.
The host's part slices the conditioning; windows and blending are ours, since the host's repeat frames at large strides,
add a frame before each window, and leave a ControlNet its first hints in every window (a test fails the day the host
learns that). The handler never changes: each evaluation of the model makes a `call.WindowedCall`.

The step that chooses the windows is what the sampler's callback has counted, so both halves of a second-order step
share them. A run that starts at a later step gets only the noise levels that are left: `sigmas.first_step` finds how
many come before, so that two halves have the windows of the whole; the compat forms begin anew, as
ComfyUI-AnimateDiff-Evolved does.

`standard_shifted` is ours: as many windows as `standard_static`, evenly spread, the inner ones moved to and fro. At the
same cost it takes the seam away (benchmarks/SEAMS.md), so it is the preset `stable`, and what views are.
`standard_even` (the preset `long`, and what a long clip gets by itself) has as few windows as it can, of up to 72
frames, with views of 16 inside: each frame goes once through the spatial layers, and only the temporal attention pays
for overlaps. Views travel in `transformer_options`, and the feed-forward runs once on their blend. `long` fits such
windows to the run: short ones where a ControlNet, GLIGEN or another node's patch asks for all frames at once, where a
node calls the UNet with patches of its own (PAG), where norms average over frames, in a clip that goes on, and behind
TorchCompileModel where the clip needs several: they differ in length, and each length would be compiled.

A ControlNet's hints are cut in a shallow copy of it, one for all conds of a window, so that the host still batches
them; once fitted to the latents they are kept for the run (`hints`). Several windows go into one call where memory
allows (one on the CPU), told by `options.VIDEOS_PER_COND`. The host reckons memory for what the UNet gets at once
(`frames_in_call`); a frame of a long window counts half, as its layers go in chunks (not in a compiled UNet).

Where windows need nothing of each other, they can be shared out: `shares` gives each GPU of the process (the host's
thread pool, as MultiGPU CFG Split makes it), and each member of a gang, windows side by side, and has them all back in
their order. Where a GPU would get one window only, or hooks change weights, the host's split of conds stays.

The host's own Context Windows node shows the UNet the frame before each window as well (`causal_window_fix`):
`ad_params` names that frame, and `run.check_frames` counts it.
"""
