"""What links windows besides their overlaps: references (ContextRef) and reuse (NaiveReuse). Nothing here chooses
windows.

With ContextRef the self-attentions of later windows look also at the input that a kept window had there. Each
evaluation makes a `patches.WindowReferences`, whose `bank.Bank` holds what was kept by the cond's uuid, on the device
where that has room, and drops it. An `APPLY_MODEL` wrapper of the window's own options comes behind the motion models',
so that its patches come around theirs: an `attn1_patch` adds the kept tokens to keys and values, a replacement of
`attn1` mixes the negative prompt's half with what it is without them (style fidelity), a layer entry shifts a block's
mean and variance (AdaIN). The patches are there also out of range, for compiled UNets. Windows then run one by one.
NaiveReuse mixes the blended clip with the first window's result.
"""
