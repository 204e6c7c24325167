"""Turns the lines of `peers` and `measure.py` into docs/benchmarks/hash.md and hash.svg.

usage: report.py LINES OUT_DIR MACHINE
"""

import collections
import os
import sys

lines, out, machine = sys.argv[1:4]
SIZES = ["512x512", "1024x768", "1920x1080", "4000x3000"]
rates = collections.defaultdict(dict)  # (what, tool, threads) -> size -> pictures a second
hashes = collections.defaultdict(dict)
turns = collections.defaultdict(dict)  # ("times" or "share", tool) -> size -> the median of what was measured in turns
distances = {}
cores = 1
with open(lines) as file:
    for line in file:
        cells = line.rstrip("\n").split("\t")
        if len(cells) != 5:
            continue
        size, what, tool, threads, value = cells
        if what == "hash":
            hashes[size][tool] = int(value, 16)
        elif what == "distance":
            distances[size] = value
        elif what in ("times", "share"):
            turns[what, tool][size] = float(value)
        else:
            rates[what, tool, int(threads)][size] = float(value)
            cores = max(cores, int(threads))


def shown(rate):
    return "" if rate is None else f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def table(what, base):
    """One row a tool: one core, all cores, and how many times the base's rate on one core."""
    tools = sorted({tool for (w, tool, _) in rates if w == what}, key=lambda t: -rates[what, t, 1].get("1024x768", 0))
    head = "| | " + " | ".join(f"{s}: 1 core | {cores} cores | times the base" for s in SIZES) + " |"
    rows = [head, "|---|" + "---|" * (3 * len(SIZES))]
    for tool in tools:
        cells = []
        for size in SIZES:
            one, all_ = rates[what, tool, 1].get(size), rates[what, tool, cores].get(size) if cores > 1 else None
            against = rates[what, base, 1].get(size)
            cells += [shown(one), shown(all_), f"{one / against:.1f}" if one and against else ""]
        rows.append(f"| {tool} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


best = next(t for t in ("refrain, luma, avx512", "refrain, luma, avx2", "refrain, luma, neon", "refrain, luma, scalar") if rates.get(("kernel", t, 1)))
core = "reference C++ core (PyPI pdqhash less its luma)"
pypi = "PyPI pdqhash, RGB"


def of(what, tool, size, threads=1):
    return rates[what, tool, threads].get(size)


def ratio(a, b):
    return f"{a / b:.1f}" if a and b else "?"


goals = ["| size | kernel / PyPI `pdqhash` | kernel / its C++ core | asked | JPEG to hash / `threatexchange` | asked | decoding's share of JPEG to hash | all cores / one, kernel | all cores / one, JPEG |", "|---|---|---|---|---|---|---|---|---|"]
for size, kernel, end in zip(SIZES, ("20", "20", "", "25"), ("10", "10", "", "15")):
    ours, whole = of("kernel", best, size), of("jpeg", "refrain", size)
    share, times = turns["share", "refrain"].get(size), [turns["times", tool].get(size) for tool in (f"kernel, {best}", "jpeg, refrain")]
    goals.append(
        f"| {size} | {ratio(ours, of('kernel', pypi, size))} | {ratio(ours, of('kernel', core, size))} | {kernel} "
        f"| {ratio(whole, of('jpeg', 'threatexchange', size))} | {end} "
        + (f"| {100 * share:.0f} % " if share else "| ? ")
        + "".join(f"| {t:.2f} " if t else "| ? " for t in times)
        + "|"
    )

levels = [t for t in ("scalar", "neon", "avx2", "avx512") if rates.get(("kernel", f"refrain, luma, {t}", 1))]
steps = ["| level | " + " | ".join(f"luma {s} | RGB {s}" for s in SIZES) + " |", "|---|" + "---|" * (2 * len(SIZES))]
for level in levels:
    cells = []
    for size in SIZES:
        for kind in ("luma", "RGB"):
            rate = of("kernel", f"refrain, {kind}, {level}", size)
            cells.append(f"{1000 / rate:.3g}" if rate else "")
    steps.append(f"| {level} | " + " | ".join(cells) + " |")

apart = []
for size in SIZES:
    ours, theirs = hashes[size].get("refrain"), hashes[size].get("PyPI pdqhash")
    if ours is not None and theirs is not None:
        apart.append(f"{size}: {bin(ours ^ theirs).count('1')} and {distances.get(size, '?')}")

text = f"""# Hashing: refrain beside its peers

Made by `make bench-hash` on {machine}; all rows in one run, pictures a second, the median
of about a second each; refrain and the crates in turns on one core and on all.
The pictures are generated (shapes, shades and grain), JPEG at quality 85 with 4:2:0 colour. *Kernel* starts from decoded
pixels, *JPEG* from the file's bytes in memory. The base of a table is the row whose factor is 1.0. {os.environ.get("BENCH_NOTE", "")}

refrain hashes the luma that a JPEG stores; `threatexchange` decodes to RGB and computes luma again. For kernels the RGB rows
compare like with like; PyPI `pdqhash` computes its luma in numpy's double precision, so the C++ core has a row of its own.
Bits apart from refrain's hash of the RGB pixels (PyPI `pdqhash` and crate `pdqhash`): {'; '.join(apart)}.

![pictures a second](hash.svg)

## What was asked for

{chr(10).join(goals)}

The share is what hashing alone, measured in turns with the whole, leaves of the time from JPEG to hash. It hashes as many rows as the
picture has, the same sixteen over and over: the decoder hands over bands of sixteen rows, which are hashed while they are in the cache, whereas
a plane of its own would be read from memory. All cores over one is the median of pairs measured in turns; each thread has a hasher and
pixels of its own.

## Kernel

{table("kernel", pypi)}

`image_hasher` computes other, simpler hashes. Where it is faster, it looks at fewer pixels.

## From JPEG bytes to the hash

{table("jpeg", "threatexchange")}

## The levels, milliseconds a picture on one core

{chr(10).join(steps)}

`scalar` is plain code for the compiler to vectorise (128-bit vectors on x86-64); `REFRAIN_SIMD` forces a level.
"""
os.makedirs(out, exist_ok=True)
with open(os.path.join(out, "hash.md"), "w") as file:
    file.write(text)

# The plot: one panel for kernels and one for JPEG, a group of bars a size, logarithmic.
import math

panels = [
    ("Kernel, one core: pictures a second", "kernel", [best, best.replace("luma", "RGB"), "crate pdqhash, RGB", pypi, "image_hasher, RGB, gradient"]),
    ("JPEG bytes to hash, one core: pictures a second", "jpeg", ["refrain", "crate pdqhash, full size", "threatexchange", "image_hasher, gradient"]),
]
colours = ["#1f6fb4", "#7db4e0", "#c8501e", "#888888", "#c9a227"]
svg = ['<svg xmlns="http://www.w3.org/2000/svg" width="920" height="720" font-family="sans-serif" font-size="12">', '<rect width="920" height="720" fill="white"/>']
for panel, (title, what, tools) in enumerate(panels):
    top, left, width, height = 50 + 350 * panel, 60, 600, 250
    low, high = 0.1, 10000.0
    y = lambda v: top + height * (1 - (math.log10(v) - math.log10(low)) / (math.log10(high) - math.log10(low)))
    svg.append(f'<text x="{left}" y="{top - 18}" font-size="14">{title}</text>')
    for power in range(-1, 5):
        at = y(10.0**power)
        svg.append(f'<path d="M{left} {at:.1f}H{left + width}" stroke="#e4e4e4"/><text x="{left - 6}" y="{at + 4:.1f}" text-anchor="end">{10.0 ** power:g}</text>')
    for g, size in enumerate(SIZES):
        group = left + g * width / len(SIZES)
        bar = (width / len(SIZES) - 20) / len(tools)
        for k, tool in enumerate(tools):
            rate = of(what, tool, size)
            if rate:
                up = y(max(rate, low))
                svg.append(f'<rect x="{group + 10 + k * bar:.1f}" y="{up:.1f}" width="{bar - 2:.1f}" height="{top + height - up:.1f}" fill="{colours[k]}"><title>{tool}, {size}: {shown(rate)}</title></rect>')
                svg.append(f'<text x="{group + 10 + (k + 0.5) * bar - 1:.1f}" y="{up - 4:.1f}" font-size="9" text-anchor="middle">{shown(rate)}</text>')
        svg.append(f'<text x="{group + width / len(SIZES) / 2:.1f}" y="{top + height + 18}" text-anchor="middle">{size}</text>')
    for k, tool in enumerate(tools):
        svg.append(f'<rect x="{left + width + 15}" y="{top + 20 * k}" width="12" height="12" fill="{colours[k]}"/><text x="{left + width + 33}" y="{top + 20 * k + 10}">{tool}</text>')
svg.append("</svg>")
with open(os.path.join(out, "hash.svg"), "w") as file:
    file.write("\n".join(svg) + "\n")
print(f"{out}/hash.md, {out}/hash.svg")
