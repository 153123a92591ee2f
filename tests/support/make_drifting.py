"""Makes `tests/data/drifting.safetensors`: the UNet and the motion model of the world of `drifting`.

    COMFYUI_DIR=<a ComfyUI> <its Python> tests/support/make_drifting.py --folder FOLDER

The UNet is trained on single frames by the loop below, the motion model by this pack on clips of all directions; 5 and
8 minutes of one CPU core.
"""

import argparse
import math
import sys
import time
from pathlib import Path

import drifting
import torch


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def train_unet(model, steps: int, batch: int = 16, rate: float = 1e-3) -> None:
    """All of the UNet on single frames, in place, at the noise levels of the motion model's schedule."""
    from animatediff_native.sampling.sigmas.beta_schedules import with_beta_schedule

    sigmas = with_beta_schedule(model, drifting.SCHEDULE).get_model_object("model_sampling").sigmas
    unet = model.model.diffusion_model.requires_grad_(True)
    optimizer = torch.optim.AdamW(unet.parameters(), lr=rate, weight_decay=1e-3)
    averaged = {name: value.detach().clone() for name, value in unet.named_parameters()}
    generator, seen, start = torch.Generator().manual_seed(0), 1.0, time.process_time()
    for step in range(steps):
        found = [drifting.clip(generator) for _ in range(batch)]
        clean = torch.stack([frames[step % drifting.FRAMES] for frames, _ in found])
        context = torch.cat([drifting.token(None if step % 10 == i else colour) for i, (_, colour) in enumerate(found)])
        timesteps = torch.randint(0, 1000, (batch,), generator=generator)
        noise = torch.randn(clean.shape, generator=generator)
        sigma = sigmas[timesteps].view(-1, 1, 1, 1)
        x = (clean + sigma * noise) / (sigma**2 + 1).sqrt()
        loss = (unet(x, timesteps.float(), context=context) - noise).square().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = rate * min((step + 1) / 50, 0.5 * (1 + math.cos(math.pi * step / steps)) + 0.01)
        optimizer.step()
        for name, value in unet.named_parameters():
            averaged[name].lerp_(value.detach(), 1 - min(0.998, (step + 1) / (step + 20)))
        seen += (loss.item() - seen) * 0.02
        if step % 100 == 99:
            say(f"unet {step + 1}: {seen:.4f} {time.process_time() - start:.0f} s")
    unet.load_state_dict(averaged)
    unet.requires_grad_(False)


def untrained():
    import unets

    model = unets.unet_model("sd15", **drifting.CONFIG)
    for name, value in model.model.diffusion_model.named_parameters():
        if name == "out.2.weight" or name.endswith(("out_layers.3.weight", "proj_out.weight")):
            value.data.zero_()
    return model


def train_motion(model, steps: int, folder: Path, batch: int = 4, rate: float = 1e-3):
    """A new motion model on clips of every direction and change of light. Returns its state."""
    from animatediff_native.training.plan import TrainingOptions, TrainingPlan
    from small_training import Silent, trained

    options = TrainingOptions(schedule="cosine", warmup=50, ema=0.998, levels="more high noise")
    plan = TrainingPlan(
        "motion model", "drifting", steps=steps, learning_rate=rate, batch=batch, sample_every=500, save_every=500,
        options=options,
    )  # fmt: skip
    start = time.process_time()

    def report(state):
        if state.step % 100 == 0:
            seen = f" held out {state.held_out[-1][1]:.4f}" if state.held_out else ""
            say(f"motion {state.step}: {sum(state.losses[-100:]) / 100:.4f}{seen} {time.process_time() - start:.0f} s")

    found = drifting.examples(drifting.clips(640, 1))
    return trained(model, None, found, plan, folder, Silent(report))[1]


def save(path: Path, model, state=None) -> None:
    from safetensors.torch import save_file

    tensors = {f"unet.{key}": value for key, value in model.model.diffusion_model.state_dict().items()}
    if state is not None:
        tensors |= {name: value.detach() for name, value in (state.averaged or state.parameters).items()}
    save_file({name: value.contiguous() for name, value in drifting.packed(tensors).items()}, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--unet-steps", type=int, default=4000, metavar="N", help="0: the UNet that is in the file")
    parser.add_argument("--motion-steps", type=int, default=2000, metavar="N")
    parser.add_argument("--folder", type=Path, required=True, help="where the motion model's training is kept")
    parser.add_argument("--file", type=Path, default=drifting.DATA)
    arguments = parser.parse_args()
    import host

    host.enter(host.find_host())
    torch.set_num_threads(1)
    if arguments.unet_steps:
        model = untrained()
        train_unet(model, arguments.unet_steps)
        save(arguments.file, model)
    model, _ = drifting.world(arguments.file)
    if arguments.motion_steps:
        save(arguments.file, model, train_motion(model, arguments.motion_steps, arguments.folder))


if __name__ == "__main__":
    main()
