#!/usr/bin/env python3
"""Compares training recipes in PyTorch: a peer of `host train`, on a GPU if there is one, else on the CPU.

usage: ablations.py --data ../shared/data --out DIR [--processes 6] [--limit SECONDS] [--only NAME,...] [--images-per-epoch 9400]
                    [--side 128] [--epochs N]                      (small and short, for a processor)
       ablations.py --report --out DIR                             (pip install torch numpy pillow)

Prints VALIDATION figures only, on which choices are made; the test columns, of --report, were looked at only after the choice.
A recipe is one seed: compare T1 with T2 and n144B with n144B_2 before believing a difference. Results: docs/experiments/02-recipes-compared.md.
DIR receives results.json (per recipe: settings, seconds, figures), NAME.pt (averaged weights), m.npz (src, cls, split of every
image) and logits.npz ("NAME/SPLIT", float16, images in m.npz's order). --report needs only the two .npz files.
Figures, of validation as it is | distorted (mean of four draws of DISTORTION):
chN chP chC   recall of Normal, Pneumonia, COVID-19 in CoronaHack    extP extC   recall of Pneumonia, COVID-19 elsewhere
chAUC nihAUC  Pneumonia against Normal in CoronaHack, in NIH         hN hC       healthy NIH and RSNA called Normal, COVID-19
Only for comparing recipes quickly: the shipped weights come from `host train`. Research software, not a medical device.
"""

import argparse
import concurrent.futures as futures
import csv
import hashlib
import json
import pathlib
import time

import numpy
import PIL.Image
import torch
import torch.nn.functional as F
from torch import nn

CLASSES, NORMAL, PNEUMONIA, COVID = ["Normal/NA", "Pneumonia/NA", "Pneumonia/COVID-19"], 0, 1, 2
SOURCES = ["coronahack", "covid_cxnet", "darkcovidnet", "figure1", "ieee8023", "nih", "radiography_db", "rsna"]
CORONAHACK, NIH, RSNA = map(SOURCES.index, ("coronahack", "nih", "rsna"))
SIDE, BATCH = 256, 96  # pixels, as stored and judged unless --side says otherwise; images
STAGES = [(0.4, 128), (0.65, 192), (1, SIDE)]  # until this share of the steps: side of the images in pixels
WARM_UP, SMOOTHING, TEMPERATURE = 0.15, 0.05, 2.0  # share of the steps; of the labels; of the teachers' answers
AVERAGE_EVERY, AVERAGE_DECAY = 4, 0.998  # the judged weights are averages: steps between updates, decay per step
# Filters and stride of each 3x3 convolution, or block of the residual "R". Students are named by million multiply-accumulates.
NETS = {
    "n60": [(8, 2), (16, 2), (16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), (128, 1)],
    "n125": [(16, 2), (32, 2), (64, 2), (64, 1), (96, 2), (96, 1), (128, 2)],
    "n144": [(16, 2), (24, 2), (24, 1), (48, 2), (48, 1), (96, 2), (96, 1), (96, 1), (128, 2), (128, 1)],
    "T": [(32, 2), (64, 2), (64, 1), (128, 2), (128, 1), (128, 1), (256, 2), (256, 1), (256, 1), (384, 2), (384, 1)],
    "R": [(32, 2), (32, 1), (64, 2), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1)],
}
# Ranges around the image as it is (rot in degrees, shift in sides), then probabilities of defects.
AUGMENT = dict(rot=22, zoom=0.22, shift=0.12, gamma=0.4, bright=0.3, contrast=0.45, resample=0.4, noise=0.3, border=0.2, corner=0.15)
DISTORTION = dict(rot=8, zoom=0.1, shift=0.05, gamma=0.4, bright=0.3, contrast=0.4, resample=0.4, noise=0.3, border=0.1, corner=0.1)
STRONG = dict(rot=30, zoom=0.3, shift=0.15, gamma=0.6, bright=0.4, contrast=0.6, aspect=0.15, erase=0.5)
NAKED = dict(resample=0, noise=0, border=0, corner=0)  # nothing against what gives a source away
WEAK = dict(rot=10, zoom=0.1, shift=0.05, gamma=0.2, bright=0.15, contrast=0.2)
# Relative shares of a batch: a row per source, a column per class. "A" is in `weights`.
SHARES = {
    "B": [(26, 26, 2), (0, 0, 6), (0, 0, 0.3), (0, 0, 0), (0.5, 1.5, 4), (6, 6, 0), (0, 0, 8), (14, 0, 0)],
    "C": [(34, 34, 2), (0, 0, 4), (0, 0, 0.3), (0, 0, 0), (0.5, 1.2, 3), (4, 4, 0), (0, 0, 5), (9, 0, 0)],
    "D": [(20, 20, 2), (0, 0, 8), (0, 0, 0.3), (0, 0, 0), (0.5, 2.0, 5), (9, 9, 0), (0, 0, 9), (16, 0, 0)],
    "L": [(26, 26, 2), (0, 0, 6), (0, 0, 0.3), (0, 0, 0), (0.5, 1.5, 4), (6, 0, 0), (0, 0, 8), (14, 0, 0)],
    "H": [(46, 46, 8)] + 7 * [(0, 0, 0)],
}
# sampling: of SHARES, or "A". rate: the highest. decay: of kernels and matrices. augment: in place of entries of AUGMENT.
# mixup: of half of the batches, both parameters of its beta distribution. cutmix: share of the batches. alpha: of the teachers.
# rotation: epochs before all others that learn by how many right angles an image was turned, from no label.
DEFAULTS = dict(sampling="B", epochs=60, rate=2e-3, seed=1, decay=0.05, augment={}, mixup=0, cutmix=0, teachers=(), alpha=0.7, rotation=0)
TEACHER, SMALL, STUDENT, TAUGHT = dict(net="T", epochs=50, rate=1.5e-3), dict(net="n60"), dict(net="n144"), dict(teachers=("T1", "R1", "T2"))
RECIPES = dict(
    T1=TEACHER, R1=TEACHER | dict(net="R"), n144B=STUDENT, n60A=SMALL | dict(sampling="A"), n60B=SMALL, T2=TEACHER | dict(seed=2),
    n144A=STUDENT | dict(sampling="A"), n125B=dict(net="n125"), n144C=STUDENT | dict(sampling="C"), n144B_2=STUDENT | dict(seed=2),
    d144=STUDENT | TAUGHT, n144B_120=STUDENT | dict(epochs=120), n144B_mix=STUDENT | dict(mixup=0.4), n144B_cut=STUDENT | dict(cutmix=0.5),
    n144B_str=STUDENT | dict(augment=STRONG), n144B_weak=STUDENT | dict(augment=WEAK), n144B_wd=STUDENT | dict(decay=0.2),
    d60=SMALL | TAUGHT, d144_100=STUDENT | TAUGHT | dict(epochs=100, alpha=0.9),
    n144B_naked=STUDENT | dict(augment=NAKED), n144L=STUDENT | dict(sampling="L"), n144B_rot=STUDENT | dict(rotation=4),
    n144D=STUDENT | dict(sampling="D"), n144H=STUDENT | dict(sampling="H"),
)  # fmt: skip


def manifest(data):
    """Path, source, class and split of every image: CoronaHack's splits; elsewhere the patient's, if it has one, else by hash."""
    rows = lambda path: list(csv.DictReader(path.open(newline="", encoding="utf-8")))
    listed, bound, corona = [], {}, data / "coronahack"
    folder = {r["X_ray_image_name"]: r["Dataset_type"].lower() for r in rows(corona / "Chest_xray_Corona_Metadata.csv")}
    for row in rows(corona / "patients.csv"):
        if row["split"] in ("train", "val", "test") and row["label"] in CLASSES:
            name, bound[row["patient"]] = row["X_ray_image_name"], row["split"]
            path = corona / "Coronahack-Chest-XRay-Dataset" / "Coronahack-Chest-XRay-Dataset" / folder[name] / name
            listed.append((path, CORONAHACK, CLASSES.index(row["label"]), row["split"]))
    same = {r["patient"]: r["same_as"] for r in rows(pathlib.Path(__file__).resolve().parents[1] / "data" / "same_patients.csv")}
    external = [row | {"patient": same.get(row["patient"], row["patient"])} for row in rows(data / "external" / "index.csv")]
    bound |= {row["patient"]: "external_test" for row in external if row["role"] == "external_test"}
    for row in external:
        hashed = int(hashlib.sha256((row["patient"] + "v").encode()).hexdigest(), 16) % 10
        split = bound.get(row["patient"], "train" if hashed else "val")
        # A training image of a patient who is tested on is withheld.
        if row["role"] == "external_test" or (row["role"] == "train" and split in ("train", "val")):
            listed.append((data / "external/images" / row["image"], SOURCES.index(row["source"]), CLASSES.index(row["label"]), split))
    return listed


def weights(sampling, cls, src):
    """The probability of each training image to be drawn."""
    size = numpy.zeros((len(SOURCES), len(CLASSES)))
    numpy.add.at(size, (src, cls), 1)
    part = numpy.array(SHARES.get(sampling, size**0.5))
    if sampling == "A":  # a third for each class; within it by the root of the source's size, CoronaHack's doubled
        part[CORONAHACK] *= 2
        part /= part.sum(0)
    out = (part / size.clip(1))[src, cls]
    return out / out.sum()


def convolution(inputs, filters, side, stride):
    return nn.Sequential(nn.Conv2d(inputs, filters, side, stride, side // 2, bias=False), nn.BatchNorm2d(filters))


class Block(nn.Sequential):
    def forward(self, x):
        first, second, skip = self
        return F.relu(second(F.relu(first(x))) + skip(x))


def build(net, device):
    layers, inputs = ([convolution(1, 32, 5, 2), nn.ReLU()], 32) if net == "R" else ([], 1)
    for filters, stride in NETS[net]:
        layers += [convolution(inputs, filters, 3, stride), nn.ReLU(inplace=True)]
        if net == "R":
            second, skip = convolution(filters, filters, 3, 1), nn.Identity() if stride == 1 else convolution(inputs, filters, 1, stride)
            layers[-2:] = [Block(layers[-2], second, skip)]
        else:
            nn.init.kaiming_normal_(layers[-2][0].weight)
        inputs = filters
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2 if net == "R" else 0), nn.Linear(inputs, len(CLASSES))]
    return nn.Sequential(*layers).to(device, memory_format=torch.channels_last)


def augment(pixels, size, k):
    """uint8 [n, side, side] to float [n, 1, size, size] in 0 to 255, changed at random as far as `k` says."""
    n, device = len(pixels), pixels.device
    rand = lambda *shape: torch.rand(*shape, device=device)
    spread = lambda limit: (rand(n) * 2 - 1) * limit
    each = lambda values: values.view(n, 1, 1, 1)
    f = F.interpolate(pixels.unsqueeze(1).float(), size=(size, size), mode="area")
    if some := int(n * k["resample"]):  # lose resolution
        small = max(16, int(size / (1 + 2 * numpy.random.rand())))
        lost = F.interpolate(f[:some], size=(small, small), mode="area")
        f = torch.cat([F.interpolate(lost, size=(size, size), mode="bilinear"), f[some:]])
    angle, zoom, flip = spread(k["rot"]) * numpy.pi / 180, 1 + spread(k["zoom"]), torch.where(rand(n) < 0.5, -1.0, 1.0)
    aspect = torch.exp(spread(k["aspect"])) if "aspect" in k else 1.0
    cos, sin = torch.cos(angle) / zoom, torch.sin(angle) / zoom
    across = torch.stack([cos * flip * aspect, -sin * flip, spread(2 * k["shift"])], 1)
    matrix = torch.stack([across, torch.stack([sin, cos, spread(2 * k["shift"])], 1)], 1)
    f = F.grid_sample(f, F.affine_grid(matrix, f.shape, align_corners=False), align_corners=False)
    f = (f / 255).clamp(0, 1) ** each(torch.exp(spread(k["gamma"]))) * 255 * each(1 + spread(k["bright"]))
    mean = f.mean((1, 2, 3), keepdim=True)
    f = ((f - mean) * each(1 + spread(k["contrast"])) + mean).clamp(0, 255)
    noise = (rand(n) < k["noise"]).float() * rand(n) * 16
    f = (f + torch.randn_like(f) * each(noise)).clamp(0, 255)
    y, x = torch.arange(size, device=device)[:, None], torch.arange(size, device=device)
    border = (rand(n) < k["border"]).float() * (rand(4, n) < 0.5).float() * rand(4, n) * 0.12 * size
    top, bottom, left, right = map(each, border)
    f = f * ((y >= top) & (y < size - bottom) & (x >= left) & (x < size - right))
    paint = lambda inside: torch.where(inside, each(rand(n) * 255).expand_as(f), f)
    for corner in range(4):
        on, high, wide = each(rand(n) < k["corner"]), each((0.05 + 0.2 * rand(n)) * size), each((0.05 + 0.2 * rand(n)) * size)
        f = paint((y < high if corner < 2 else y >= size - high) & (x < wide if corner % 2 == 0 else x >= size - wide) & on)
    if "erase" in k:
        on, high, wide = each(rand(n) < k["erase"]), each((0.1 + 0.25 * rand(n)) * size), each((0.1 + 0.25 * rand(n)) * size)
        y0, x0 = each(rand(n)) * (size - high), each(rand(n)) * (size - wide)
        f = paint((y >= y0) & (y < y0 + high) & (x >= x0) & (x < x0 + wide) & on)
    return f


def learn_rotations(network, recipe, pixels, inside, per_epoch, k):
    """Trains all but the last layer to tell how far images were turned (Gidaris, Singh, Komodakis, ICLR 2018)."""
    head = nn.Linear(network[-1].in_features, 4).to(pixels.device)
    told = nn.Sequential(*network[:-1], head)
    steps = int(recipe.rotation * per_epoch / BATCH)
    optimizer = torch.optim.AdamW(told.parameters(), recipe.rate, weight_decay=recipe.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=steps)
    for _ in range(steps):
        turns = torch.randint(4, (BATCH,), device=pixels.device)
        drawn = pixels[inside[torch.randint(len(inside), (BATCH,), device=pixels.device)]]
        turned = torch.stack([torch.rot90(image, int(turn)) for image, turn in zip(drawn, turns)])
        with torch.no_grad():
            f = ((augment(turned, min(128, pixels.shape[-1]), k) - 128) / 64).to(memory_format=torch.channels_last)
        with torch.autocast(pixels.device.type, torch.bfloat16):
            logits = told(f).float()
        loss = F.cross_entropy(logits, turns)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
    print(f"rotations: loss of the last batch {loss.item():.3f}", flush=True)


def train(recipe, pixels, m, per_epoch, out, deadline):
    """The averaged network. Does not begin after the deadline (of time.time), nor go on a minute after it."""
    device, inside, k = pixels.device, numpy.flatnonzero(m["split"] == "train"), AUGMENT | recipe.augment
    chance = torch.tensor(weights(recipe.sampling, m["cls"][inside], m["src"][inside]), device=device)
    inside, labels = torch.tensor(inside, device=device), torch.tensor(m["cls"], device=device)
    network, average = build(recipe.net, device), build(recipe.net, device)
    if recipe.rotation:
        learn_rotations(network, recipe, pixels, inside, per_epoch, k | dict(rot=5))
    average.load_state_dict(network.state_dict())
    teachers = [build(RECIPES[name]["net"], device).eval() for name in recipe.teachers]
    for name, teacher in zip(recipe.teachers, teachers):
        teacher.load_state_dict(torch.load(out / f"{name}.pt", map_location=device))
    kernels, others = ([p for p in network.parameters() if (p.ndim > 1) == wanted] for wanted in (True, False))
    groups = [dict(params=kernels, weight_decay=recipe.decay), dict(params=others, weight_decay=0)]
    optimizer = torch.optim.AdamW(groups, fused=device.type == "cuda")
    slow, fast = ([v for v in net.state_dict().values() if v.dtype.is_floating_point] for net in (average, network))
    steps = int(recipe.epochs * per_epoch / BATCH)
    for step in range(steps):
        if step % 500 == 0 and time.time() > deadline + (60 if step else 0):
            raise TimeoutError("no time left")
        done = step / steps
        size = min(pixels.shape[-1], next(size for end, size in STAGES if done < end))
        rising = recipe.rate * (1 / 25 + 24 / 25 * 0.5 * (1 - numpy.cos(numpy.pi * done / WARM_UP)))
        falling = recipe.rate * 0.5 * (1 + numpy.cos(numpy.pi * (done - WARM_UP) / (1 - WARM_UP))) + 1e-7
        for group in optimizer.param_groups:
            group["lr"] = rising if done < WARM_UP else falling
        drawn = inside[torch.multinomial(chance, BATCH, replacement=True)]
        with torch.no_grad():
            f = ((augment(pixels[drawn], size, k) - 128) / 64).to(memory_format=torch.channels_last)
            target = F.one_hot(labels[drawn], len(CLASSES)).float() * (1 - SMOOTHING) + SMOOTHING / len(CLASSES)
            if recipe.mixup and numpy.random.rand() < 0.5:
                part, other = numpy.random.beta(recipe.mixup, recipe.mixup), torch.randperm(BATCH, device=device)
                f, target = part * f + (1 - part) * f[other], part * target + (1 - part) * target[other]
            if recipe.cutmix and numpy.random.rand() < recipe.cutmix:
                side, other = int(size * numpy.sqrt(1 - numpy.random.beta(1, 1))), torch.randperm(BATCH, device=device)
                y, x = numpy.random.randint(0, size - side + 1), numpy.random.randint(0, size - side + 1)
                f[:, :, y : y + side, x : x + side] = f[other][:, :, y : y + side, x : x + side]
                target = target + (side / size) ** 2 * (target[other] - target)
        with torch.autocast(device.type, torch.bfloat16):
            with torch.no_grad():
                taught = [F.softmax(teacher(f).float() / TEMPERATURE, 1) for teacher in teachers]
            logits = network(f).float()
        loss = -(F.log_softmax(logits, 1) * target).sum(1).mean()
        if taught:
            distance = -(F.log_softmax(logits / TEMPERATURE, 1) * (sum(taught) / len(taught))).sum(1).mean()
            loss = (1 - recipe.alpha) * loss + recipe.alpha * TEMPERATURE**2 * distance
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if step % AVERAGE_EVERY == AVERAGE_EVERY - 1:
            torch._foreach_lerp_(slow, fast, 1 - min(AVERAGE_DECAY**AVERAGE_EVERY, step / (step + 40)))
    return average.eval()


def work(name, out, per_epoch, epochs, threads, deadline):
    """Trains and judges one recipe: its entry of results.json and its logits."""
    device, recipe = "cuda" if torch.cuda.is_available() else "cpu", argparse.Namespace(**DEFAULTS | RECIPES[name])
    recipe.epochs = epochs or recipe.epochs
    torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = True
    pixels, m = torch.from_numpy(numpy.load(out / "x.npy", mmap_mode="c")).to(device), dict(numpy.load(out / "m.npz"))
    started = time.time()
    torch.manual_seed(recipe.seed)
    numpy.random.seed(recipe.seed)
    network = train(recipe, pixels, m, per_epoch, out, deadline)

    @torch.no_grad()
    def judge(split, k=None):
        parts = torch.tensor(numpy.flatnonzero(m["split"] == split), device=device).split(256)
        images = (augment(pixels[i], pixels.shape[-1], k) if k else pixels[i].unsqueeze(1).float() for i in parts)
        return torch.cat([network(((f - 128) / 64).to(memory_format=torch.channels_last)).cpu() for f in images]).numpy()

    logits = {split: judge(split) for split in ("val", "test", "external_test")}
    cls, src = (m[key][m["split"] == "val"] for key in ("cls", "src"))
    torch.manual_seed(5)
    numpy.random.seed(5)
    draws = [figures(judge("val", DISTORTION), cls, src) for _ in range(4)]
    torch.save(network.state_dict(), out / f"{name}.pt")
    entry = dict(name=name, recipe=vars(recipe), images_per_epoch=per_epoch, seconds=round(time.time() - started, 1))
    entry["validation"] = figures(logits["val"], cls, src)
    entry["distorted"] = {key: float(numpy.mean([draw[key] for draw in draws])) for key in draws[0]}
    return entry, {f"{name}/{split}": values.astype(numpy.float16) for split, values in logits.items()}


def figures(logits, cls, src):
    """Shares and AUCs, 0 to 1; one without images is left out."""
    said, sick, corona = logits.argmax(1), logits[:, PNEUMONIA] - logits[:, NORMAL], src == CORONAHACK
    healthy, places = ((src == NIH) | (src == RSNA)) & (cls == NORMAL), {"ch": corona, "ext": ~corona}
    counted = {place + letter: (m & (cls == c), c) for place, m in places.items() for c, letter in enumerate("NPC")}
    counted |= {"hN": (healthy, NORMAL), "hC": (healthy, COVID)}
    out = {name: float((said[m] == wanted).mean()) for name, (m, wanted) in counted.items() if m.any()}
    for name, source in (("chAUC", corona), ("nihAUC", src == NIH)):
        above, below = sick[source & (cls == PNEUMONIA)], sick[source & (cls == NORMAL)]
        if len(above) and len(below):
            ranks = numpy.argsort(numpy.argsort(numpy.concatenate([above, below]))) + 1.0
            out[name] = float((ranks[: len(above)].sum() - len(above) * (len(above) + 1) / 2) / len(above) / len(below))
    return out


def report(folder):
    logits, m = numpy.load(folder / "logits.npz"), numpy.load(folder / "m.npz")
    print(f"{'':12} val: chN chP extC hC | test acc N P C/{(m['cls'][m['split'] == 'test'] == COVID).sum()} | ext acc C hC")
    for name in sorted({key.split("/")[0] for key in logits.files}):
        row = []
        for split, keys in {"val": "chN chP extC hC", "test": "chN chP", "external_test": "extC hC"}.items():
            values, (cls, src) = logits[f"{name}/{split}"].astype(float), (m[key][m["split"] == split] for key in ("cls", "src"))
            right, found = values.argmax(1) == cls, figures(values, cls, src)
            row += ([] if split == "val" else [100 * right.mean()]) + [100 * found[key] for key in keys.split()]
            row += [right[cls == COVID].sum()] if split == "test" else []
        print(f"{name:12}", " ".join(f"{value:5.1f}" for value in row))


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--data", type=pathlib.Path, default="../shared/data", help="the folder with coronahack/ and external/")
    arguments.add_argument("--out", type=pathlib.Path, required=True, help="a folder that is not there yet; with --report, one that is")
    arguments.add_argument("--processes", type=int, default=6, help="recipes trained at a time")
    arguments.add_argument("--limit", type=float, default=numpy.inf, help="seconds: none starts later, none goes on a minute later")
    arguments.add_argument("--only", metavar="NAME,...", default=",".join(RECIPES), help="their teachers are trained too")
    arguments.add_argument("--images-per-epoch", type=int, default=9400)
    arguments.add_argument("--side", type=int, default=SIDE, help="largest images, pixels")
    arguments.add_argument("--epochs", type=int, help="of every recipe, in place of its own")
    arguments.add_argument("--report", action="store_true", help="train nothing: print what --out holds, test columns included")
    options, start = arguments.parse_args(), time.time()
    try:
        if options.report:
            return report(options.out)
        chosen = set(options.only.split(","))
        chosen |= {teacher for name in chosen for teacher in RECIPES[name].get("teachers", ())}
        paths, src, cls, split = zip(*manifest(options.data))
        options.out.mkdir(parents=True)
        numpy.savez(options.out / "m.npz", src=src, cls=cls, split=split)
        decode = lambda path: numpy.asarray(PIL.Image.open(path).convert("L").resize((options.side,) * 2, PIL.Image.Resampling.BILINEAR))
        with futures.ThreadPoolExecutor() as pool:
            numpy.save(options.out / "x.npy", numpy.stack(list(pool.map(decode, paths))))
    except (OSError, KeyError) as error:
        hint = "--data: the folder with coronahack/ and external/; --out: not there yet, or with --report, there; --only: of"
        arguments.error(f"{error}; {hint} {', '.join(RECIPES)}")

    shown = "chN chP chC chAUC nihAUC extP extC hN hC".split()
    head = "".join(f"{key:>7}" for key in shown)
    print(f"{len(paths)} images; validation figures in percent: as it is | distorted\n{'':12}{'s':>7} |{head} |{head}", flush=True)
    entries, logits = [], {}
    threads = 1 if torch.cuda.is_available() else max(1, torch.get_num_threads() // options.processes)
    with futures.ProcessPoolExecutor(options.processes, torch.multiprocessing.get_context("spawn")) as pool:
        for taught in (False, True):  # teachers before those they teach
            names = [name for name in RECIPES if name in chosen and ("teachers" in RECIPES[name]) == taught]
            jobs = {pool.submit(work, n, options.out, options.images_per_epoch, options.epochs, threads, start + options.limit): n for n in names}
            for job in futures.as_completed(jobs):
                if job.exception():
                    print(f"{jobs[job]}: {job.exception()!r}", flush=True)
                    continue
                entry, values = job.result()
                entries, logits = [*entries, entry], logits | values
                (options.out / "results.json").write_text(json.dumps(entries, indent=1) + "\n")
                numpy.savez_compressed(options.out / "logits.npz", **logits)
                rows = [[100 * entry[part].get(key, numpy.nan) for key in shown] for part in ("validation", "distorted")]
                print(f"{entry['name']:12}{entry['seconds']:7.1f}", *("".join(f"{v:7.1f}" for v in row) for row in rows), sep=" |", flush=True)
    (options.out / "x.npy").unlink()
    return len(entries) < len(chosen)


if __name__ == "__main__":
    raise SystemExit(main())
