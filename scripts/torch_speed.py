"""Images a second of PyTorch's training step on a recipe's network: the peer of `host train --bench-steps`.

The same gray batches, float32, AdamW, cross-entropy; images stay where they are computed. On a GPU where there is one (TF32 in
convolutions), else on the processor. Give glibc the settings that `host train` gives itself:

    MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=2147483647 MALLOC_TOP_PAD_=268435456 python scripts/torch_speed.py
"""

import argparse
import pathlib
import time
import tomllib

import torch
from torch import nn

CLASSES = 3


def network(recipe):
    layers, before = [], 1
    for layer in recipe["network"]["layers"]:
        conv = layer["conv"]
        filters, kernel = conv["filters"], conv["kernel"]
        layers += [
            nn.Conv2d(before, filters, kernel, conv["stride"], kernel // 2, groups=conv.get("groups", 1), bias=False),
            nn.BatchNorm2d(filters),
            nn.ReLU(),
        ]
        before = filters
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, CLASSES))


def images_per_second(recipe, side, steps, memory_format, device):
    batch = recipe["train"]["batch"]
    model = network(recipe).train().to(device, memory_format=memory_format)
    images = torch.randn(batch, 1, side, side, device=device).contiguous(memory_format=memory_format)
    classes = torch.randint(0, CLASSES, (batch,), device=device)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)

    def step():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images), classes)
        loss.backward()
        optimizer.step()
        return loss.item()

    for _ in range(2):
        step()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return steps * batch / (time.perf_counter() - start)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--recipe", type=pathlib.Path, default="models/recipes/default.toml")
    arguments.add_argument("--steps", type=int, default=8)
    options = arguments.parse_args()
    recipe = tomllib.loads(options.recipe.read_text())
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = True
    print(f"PyTorch {torch.__version__} on {device}, {torch.get_num_threads()} threads")
    for side in sorted({stage["size"] for stage in recipe["train"]["stages"]}):
        figures = {
            name: images_per_second(recipe, side, options.steps, memory_format, device)
            for name, memory_format in (("channels first", torch.contiguous_format), ("channels last", torch.channels_last))
        }
        print(f"{side} px: " + ", ".join(f"{name} {figure:.0f} images/s" for name, figure in figures.items()))


if __name__ == "__main__":
    main()
