"""Runs refrain's index beside FAISS and usearch on the same hashes, and writes docs/benchmarks/index.md and index.svg.

Usage: index.py RUNNER OUT_FOLDER; FULL=1 adds 1e8 (refrain only), SIZES=100000,1000000 chooses sizes.
"""
import json, os, platform, subprocess, sys, tempfile, time
from pathlib import Path

import numpy as np

RADII = [0, 16, 31, 48, 63, 64]
BATCH = 64


def uniform(rng, count):
    return rng.integers(0, 256, (count, 32), dtype=np.uint8)


def flipped(rng, hashes, most):
    """Each hash with up to `most` bits turned over."""
    bits = np.unpackbits(hashes, axis=1)
    order = np.argsort(rng.random(bits.shape, dtype=np.float32), axis=1)
    count = rng.integers(0, most + 1, (len(hashes), 1))
    mask = np.zeros_like(bits)
    np.put_along_axis(mask, order, (np.arange(256)[None, :] < count).astype(np.uint8), axis=1)
    return np.packbits(bits ^ mask, axis=1)


def clustered(rng, count):
    """Copies around centres, of which a few have very many, as re-uploads have."""
    centres = uniform(rng, max(count // 20, 1))
    which = (len(centres) * rng.random(count) ** 4).astype(np.int64)
    out = np.empty((count, 32), dtype=np.uint8)
    for at in range(0, count, 200_000):
        out[at : at + 200_000] = flipped(rng, centres[which[at : at + 200_000]], 40)
    return out


def timed(ask, queries, least=0.5):
    ask(queries[:1])
    start, done = time.perf_counter(), 0
    while time.perf_counter() - start < least:
        ask(queries[done % len(queries) :][:1])
        done += 1
    single = (time.perf_counter() - start) / done * 1e6
    start, done = time.perf_counter(), 0
    while time.perf_counter() - start < least:
        ask(queries[:BATCH])
        done += BATCH
    return single, (time.perf_counter() - start) / done * 1e6


def peers(data, queries, rows):
    import faiss

    faiss.omp_set_num_threads(1)
    count = len(data)
    flat = faiss.IndexBinaryFlat(256)
    flat.add(data)
    for radius in RADII:
        # FAISS counts distances strictly below the radius.
        single, batch = timed(lambda q: flat.range_search(q, radius + 1), queries)
        rows.append(["FAISS flat", count, radius, single, batch, 1.0])
    truth = flat.search(queries[:256], 1)[0][:, 0]
    if count <= 10_000_000:
        start = time.perf_counter()
        multi = faiss.IndexBinaryMultiHash(256, 16, 16)
        multi.add(data)
        build = time.perf_counter() - start
        rows.append(["FAISS MultiHash build, s", count, None, build, build, None])
        multi.nflip = 1
        single, batch = timed(lambda q: multi.range_search(q, 32), queries)
        rows.append(["FAISS MultiHash", count, 31, single, batch, 1.0])
    if count <= 1_000_000:
        start = time.perf_counter()
        hnsw = faiss.IndexBinaryHNSW(256, 16)
        hnsw.add(data)
        build = time.perf_counter() - start
        rows.append(["FAISS HNSW build, s", count, None, build, build, None])
        found = hnsw.search(queries[:256], 1)[0][:, 0]
        near = truth <= 31
        recall = float((found == truth)[near].mean()) if near.any() else float("nan")
        single, batch = timed(lambda q: hnsw.search(q, 10), queries)
        rows.append(["FAISS HNSW (10 nearest, approximate)", count, 31, single, batch, recall])
        try:
            from usearch.index import Index

            start = time.perf_counter()
            other = Index(ndim=256, metric="hamming", dtype="b1")
            other.add(np.arange(count), data, threads=1)
            build = time.perf_counter() - start
            rows.append(["usearch build, s", count, None, build, build, None])
            found = np.array([other.search(q, 1).distances[0] for q in queries[:256]])
            recall = float((found == truth)[near].mean()) if near.any() else float("nan")
            single, batch = timed(lambda q: other.search(q, 10, threads=1), queries)
            rows.append(["usearch (10 nearest, approximate)", count, 31, single, batch, recall])
        except ImportError:
            print("usearch is not there: left out", file=sys.stderr)


def refrain(runner, data, queries, folder, rows, notes, writer):
    folder = Path(folder)
    data.tofile(folder / "data")
    queries.tofile(folder / "queries")
    radii = ",".join(map(str, RADII))
    # Built on all cores; asked on one.
    command = [runner, folder / "data", folder / "queries", radii, folder / "index"]
    built = subprocess.run(command[:3] + ["31", command[4]], check=True, capture_output=True, text=True).stdout
    asked = subprocess.run(
        command + (["writer"] if writer else []),
        check=True, capture_output=True, text=True, env={**os.environ, "RAYON_NUM_THREADS": "1"},
    ).stdout
    notes += [json.loads(line) for line in built.splitlines() if '"build"' in line]
    for line in map(json.loads, asked.splitlines()):
        if line["figure"] == "search":
            rows.append(["refrain", len(data), line["radius"], line["single_us"], line["batch_us"], 1.0])
        else:
            notes.append({"entries_in_index": len(data), **line})


def plot(rows, out):
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 4.5))
    for axis, title, pick in [(axes[0], "radius 31", 31), (axes[1], "radius 63", 63)]:
        for name in dict.fromkeys(row[0] for row in rows if row[2] == pick):
            points = [(row[1], row[4]) for row in rows if row[0] == name and row[2] == pick and row[6] == "uniform"]
            if points:
                axis.plot(*zip(*points), "o-", label=name)
        axis.set(xscale="log", yscale="log", xlabel="entries", ylabel="microseconds a query, batch of 64", title=title)
        axis.grid(True, which="major", alpha=0.3)
        axis.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(out, metadata={"Date": None})


def main():
    runner, out = sys.argv[1], Path(sys.argv[2])
    sizes = [int(size) for size in os.environ.get("SIZES", "100000,1000000,10000000").split(",")]
    if os.environ.get("FULL"):
        sizes.append(100_000_000)
    rows, notes = [], []
    for count in sizes:
        for kind, make in [("uniform", uniform), ("clustered", clustered)]:
            if kind == "clustered" and count > 1_000_000:
                continue
            rng = np.random.default_rng(count)
            data = make(rng, count)
            near = flipped(rng, data[rng.integers(0, count, 512)], 31)
            queries = np.concatenate([near, uniform(rng, 512)])
            rng.shuffle(queries)
            some, remarks = [], []
            with tempfile.TemporaryDirectory() as folder:
                refrain(runner, data, queries, folder, some, remarks, writer=kind == "uniform" and count == 1_000_000)
            if count <= 10_000_000:
                peers(data, queries, some)
            rows += [row + [kind] for row in some]
            notes += [{"data": kind, **remark} for remark in remarks]
            print(kind, count, "done", file=sys.stderr)
    lines = [
        "# The index beside its peers",
        "",
        f"Written by `make bench-index` on {platform.processor() or platform.machine()}, {os.cpu_count()} cores; all figures but builds of refrain on one core.",
        "Half of the queries are copies of an entry with up to 31 bits changed, half are nobody's. Microseconds a query; batches of 64.",
        "",
        "| | data | entries | radius | single | batch | recall |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, count, radius, single, batch, recall, kind in sorted(rows, key=lambda r: (r[6] != "uniform", r[1], r[2] is None, r[2] or 0, r[4])):
        shown = "" if recall is None else f"{recall:.3f}"
        lines.append(f"| {name} | {kind} | {count:,} | {'' if radius is None else radius} | {single:,.1f} | {batch:,.1f} | {shown} |")
    lines += ["", "## Building, opening, adding, and searching beside a writer", ""]
    lines += [f"- `{json.dumps(note)}`" for note in notes]
    out.mkdir(parents=True, exist_ok=True)
    (out / "index.md").write_text("\n".join(lines) + "\n")
    plot(rows, out / "index.svg")


main()
