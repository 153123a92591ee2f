"""Motion models: files, mathematics, and how they get into the host's UNet. Nothing here knows samplers or windows, nor
who makes a schedule.

One call of the UNet, in `attach.apply_model_with_motion`:

1. The live motion patchers come from `executor.class_obj.current_patcher`: clones, multi-GPU copies and non-dynamic
   delegates have their own.
2. `options` says where the call lies: frames per video (pictures in the batch / conds in the call, or the clip's length
   where another pack batches differently), the part of the clip, the moment. That is the `Call`, which travels on.
3. `placed.Steered` is one motion model at that moment. It gives each place a `PlacedModule`, whose `Steering` goes down
   into `temporal` with the hidden state. All that reads settings or waits for a GPU is done before the UNet runs.
4. `call.MotionCall` puts its entry before the others' in a private copy of the `forward_timestep_embed_patch` list: it
   lets the host run the layer (other packs' entries included), then runs the motion modules of that place.
5. Where a motion model needs it, `norms` stands around the UNet's GroupNorms while the call lasts.
6. Motion modules that should have run and did not are an error with their names. An `emb_patch` tells whether the UNet
   ran at all: a step that EasyCache answers is none.

Places: after a block's SpatialTransformer, or after its first ResBlock where it has none; in the middle block before
the second ResBlock; before Upsample. On SD1.5 that is input blocks 1, 2, 4, 5, 7, 8, 10, 11, the middle, output blocks
0-11; on SDXL input 1, 2, 4, 5, 7, 8 and output 0-8.

Frames do not meet in the UNet's layers, nor pixels in a motion module. So the host runs a layer on some pictures at a
time, and a motion module takes some pixels at a time (`chunks`). A layer goes whole where another node's patch looks
into it and where the UNet is compiled; norms that average over frames get whole videos.

TorchCompileModel drops every guard on `transformer_options`, which would freeze a strength at its first value. A
compiled UNet gets its call by a keyword of its own (`call.attached`), which is guarded; a `DIFFUSION_MODEL` wrapper,
compiled with the UNet, lets it in. What changes from call to call are tensors in one graph, or numbers that torch makes
symbolic. Motion models leave the host's dynamic VRAM with their MODEL (`attach.as_dynamic_as`).

The host knows motion models by the file that they came from, and would give two of one file the first one's strengths
on another GPU: `attach.attach_to_gpu_copy` gives each copy every motion model as the MODEL has it. DualModelGuider runs
its second MODEL with the first one's wrappers: a MODEL without the wrapper of its own is left alone.

An `optimized_attention_override` (SageAttention) gets the spatial attention. The temporal one, 16 tokens of 40 numbers
a head, stays with the host's attention for small inputs. One frame is sampled without motion, bit-equal to the same
MODEL with the same noise schedule.
"""
