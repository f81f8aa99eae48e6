#!/usr/bin/env python3
"""Trains the lung finder, models/lungs.cxr: 64 x 64 gray levels in, the share of lung in 16 x 16 cells out. With PyTorch, minutes on a core.

    python3 scripts/train_lungs.py DATA OUT          # DATA has lung_only/, external/, external_new/, coronahack/; writes OUT/lungs.onnx, OUT/inputs.npy
    host import OUT/lungs.onnx --inputs OUT/inputs.npy --out models/lungs && cargo xtask copies

A teacher learns from the pictures that lung_only repeats with all but the lungs black. The finder, small enough for a device, learns what the
teacher marks in the training pictures of every source but those in UNSEEN. Research software, not a medical device.
"""

import csv
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageFilter
from torch import nn

UNSEEN = {"pk_mendeley", "figure1"}
SIDE, CELL = 64, 4


def picture(path):
    """As the device shrinks it: to 256 pixels, then to 64."""
    gray = Image.open(path).convert("L").resize((256, 256), Image.BILINEAR)
    return np.asarray(gray.resize((SIDE, SIDE), Image.BILINEAR))


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def outlines(data):
    """Pictures and the share of lung in each of their pixels: what is not black in their copies, holes closed."""
    pixels, masks = [], []
    for row in rows(data / "lung_only/index.csv"):
        path = data / "external/images" / row["same_as"]
        if row["same_as_role"] != "train" or not path.is_file():
            continue
        copy = Image.open(data / "lung_only/images" / row["image"]).convert("L").resize((256, 256), Image.BILINEAR)
        mask = Image.fromarray((np.asarray(copy) > 8).astype(np.uint8) * 255)
        mask = mask.filter(ImageFilter.MaxFilter(9)).filter(ImageFilter.MinFilter(9))
        pixels.append(picture(path))
        masks.append((np.asarray(mask, dtype=np.float32) / 255).reshape(SIDE, CELL, SIDE, CELL).mean((1, 3)))
    return torch.tensor(np.stack(pixels))[:, None].float(), torch.tensor(np.stack(masks))[:, None]


def training_pictures(data):
    """Pixels and sources of all pictures that may be learned from."""
    withdrawn = {row["image"] for row in rows(data / "external_new/withdrawn.csv")}
    found = []
    for folder in ("external", "external_new"):
        for row in rows(data / folder / "index.csv"):
            if row["role"] == "train" and row["source"] not in UNSEEN and row["image"] not in withdrawn:
                found.append((data / folder / "images" / row["image"], row["source"]))
    images = data / "coronahack/Coronahack-Chest-XRay-Dataset/Coronahack-Chest-XRay-Dataset"
    for row in rows(data / "coronahack/patients.csv"):
        if row["split"] == "train":
            name = row["X_ray_image_name"]
            found.append((next(images / f / name for f in ("train", "test") if (images / f / name).is_file()), "coronahack"))
    pixels = np.stack([picture(path) for path, _ in found])
    return torch.tensor(pixels)[:, None], np.array([source for _, source in found])


def distorted(x, mask):
    """Pictures turned, stretched, shifted, of other tones, shaded, blurred, with haze over a lung, noise; their masks alike."""
    n, uniform = len(x), torch.rand
    some = lambda share: (uniform(n) < share).float()[:, None, None, None]
    each = lambda values: values[:, None, None, None]
    wide, high = torch.exp(uniform(n) - 0.5), torch.exp(uniform(n) - 0.5)
    turn, shear = (uniform(n) - 0.5) * 0.5, (uniform(n) - 0.5) * 0.25
    flip, cos, sin = torch.where(uniform(n) < 0.5, -1.0, 1.0), torch.cos(turn), torch.sin(turn)
    warp = torch.zeros(n, 2, 3)
    warp[:, 0, 0], warp[:, 0, 1], warp[:, 0, 2] = wide * cos * flip, -wide * sin + shear, (uniform(n) - 0.5) * 0.6
    warp[:, 1, 0], warp[:, 1, 1], warp[:, 1, 2] = high * sin * flip, high * cos, (uniform(n) - 0.5) * 0.6
    grid = F.affine_grid(warp, x.shape, align_corners=False)
    black = some(0.3)
    beside = {mode: F.grid_sample(x, grid, padding_mode=mode, align_corners=False) for mode in ("border", "zeros")}
    x = beside["border"] * (1 - black) + beside["zeros"] * black
    mask = F.grid_sample(mask, grid, align_corners=False)
    x = 255 * (x.clamp(0, 255) / 255) ** each(torch.exp((uniform(n) - 0.5) * 1.6))
    contrast = each(0.4 + 0.6 * uniform(n))
    x = x * contrast + each(uniform(n) * 40) * (1 - contrast)
    x = x + F.interpolate(torch.randn(n, 1, 3, 3) * 15, size=SIDE, mode="bicubic")
    blurred = some(0.3)
    x = x * (1 - blurred) + F.avg_pool2d(x, 3, 1, 1) * blurred
    row, column = torch.meshgrid(torch.arange(float(SIDE)), torch.arange(float(SIDE)), indexing="ij")
    centre, radius = uniform(2, n, 1, 1, 1) * SIDE, each(5 + uniform(n) * 12)
    haze = torch.exp(-(((column - centre[0]) / radius) ** 2) - ((row - centre[1]) / radius) ** 2)
    x = x + haze * some(0.6) * each(40 + 100 * uniform(n))
    return (x + torch.randn_like(x) * each(uniform(n) * 6)).clamp(0, 255), mask


def convolution(ins, outs, kernel=3, stride=1, groups=1):
    layers = nn.Conv2d(ins, outs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(layers, nn.BatchNorm2d(outs), nn.ReLU())


def separable(ins, outs, stride=1, kernel=3):
    return nn.Sequential(convolution(ins, ins, kernel, stride, ins), convolution(ins, outs, 1))


class Teacher(nn.Module):
    """A U-net on pictures of equal mean and deviation."""

    def __init__(self, widths=(8, 16, 32, 48)):
        super().__init__()
        block = lambda ins, outs: nn.Sequential(convolution(ins, outs), convolution(outs, outs))
        self.down = nn.ModuleList(block(1 if i == 0 else widths[i - 1], width) for i, width in enumerate(widths))
        self.up = nn.ModuleList(block(widths[i] + widths[i + 1], widths[i]) for i in range(len(widths) - 1))
        self.out = nn.Conv2d(widths[0], 1, 1)

    def forward(self, x):
        x, kept = (x - x.mean((2, 3), keepdim=True)) / (x.std((2, 3), keepdim=True) + 8), []
        for i, block in enumerate(self.down):
            x = block(x if i == 0 else F.max_pool2d(x, 2))
            kept.append(x)
        for i in reversed(range(len(self.up))):
            x = self.up[i](torch.cat([F.interpolate(x, scale_factor=2), kept[i]], 1))
        return self.out(x)


class Finder(nn.Module):
    """Ten thousand weights: down to 8 x 8 cells for the overview, back to 16 x 16."""

    def __init__(self):
        super().__init__()
        self.near = nn.Sequential(convolution(1, 8, 3, 2), separable(8, 16, 2))
        self.far = nn.Sequential(separable(16, 32, 2), separable(32, 40), separable(40, 40, 1, 5), separable(40, 32, 1, 5))
        self.both = nn.Sequential(convolution(48, 24, 1), separable(24, 16), nn.Conv2d(16, 1, 1))

    def forward(self, x):
        near = self.near(x)
        return self.both(torch.cat([near, F.interpolate(self.far(near), scale_factor=2, mode="nearest")], 1))


def train(network, steps, peak, batch, loss):
    optimizer = torch.optim.AdamW(network.parameters(), peak, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, total_steps=steps)
    for step in range(steps):
        value = loss(*distorted(*batch()))
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 99:
            print(f"step {step + 1} of {steps}: {value.item():.4f}", flush=True)
    return network.eval()


def main(data, out):
    torch.manual_seed(1)
    random = np.random.default_rng(1)
    pixels, masks = outlines(data)
    teacher = Teacher()

    def marked(x, mask):
        y = teacher(x)
        p = y.sigmoid()
        dice = (2 * (p * mask).sum((1, 2, 3)) + 1) / (p.sum((1, 2, 3)) + mask.sum((1, 2, 3)) + 1)
        return F.binary_cross_entropy_with_logits(y, mask) + 0.5 * (1 - dice).mean()

    def outlined():
        chosen = torch.tensor(random.integers(len(pixels), size=16))
        return pixels[chosen], masks[chosen]

    train(teacher, 600, 4e-3, outlined, marked)
    pictures, sources = training_pictures(data)
    with torch.no_grad():
        both = lambda x: (teacher(x).sigmoid() + teacher(x.flip(3)).sigmoid().flip(3)) / 2
        shares = torch.cat([both(part.float()) for part in pictures.split(256)])
    # Hardly any lung: the teacher failed.
    seen = shares.mean((1, 2, 3)).numpy() > 0.06
    groups = [np.flatnonzero(seen & (sources == source)) for source in np.unique(sources)]
    finder = Finder()

    def drawn():
        chosen = torch.tensor([random.choice(groups[random.integers(len(groups))]) for _ in range(64)])
        return pictures[chosen].float(), shares[chosen]

    train(finder, 3500, 6e-3, drawn, lambda x, mask: F.binary_cross_entropy_with_logits(finder(x / 255), F.avg_pool2d(mask, CELL)))
    out.mkdir(parents=True, exist_ok=True)
    network = nn.Sequential(finder, nn.Sigmoid()).eval()
    names = {"input_names": ["picture"], "output_names": ["lungs"]}
    torch.onnx.export(network, torch.zeros(1, 1, SIDE, SIDE), str(out / "lungs.onnx"), dynamo=False, opset_version=13, **names)
    chosen = np.concatenate([random.choice(group, 32) for group in groups])
    np.save(out / "inputs.npy", (pictures[chosen].float() / 255).numpy())


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*map(pathlib.Path, sys.argv[1:]))
