"""Training of motion LoRAs, motion models and domain adapters: examples, plans, losses, the loop, files and long runs.

The forward pass is the inference code of `motion`, never a second one; no form of a node lives here, nothing of a node.
"""
