"""Runs refrain's index beside FAISS and usearch on the same hashes in one run; writes docs/benchmarks/index.md and index.svg.

Usage: index.py RUNNER OUT_FOLDER. SIZES=100000,1000000 chooses sizes; FULL=1 adds 1e8 (refrain only, built from a stream).
Slow ones get fewer queries, and what would take too long is left out and said so: about ten minutes in all. GRAPHS=100000
builds the peers' graphs, which takes most of that, up to that many entries only. Those of ten million take half an hour and more
each: SIZES=10000000 GRAPHS=10000000 GRAPHS_ONLY=1 makes them and nothing else, and keeps them under target/bench-index/graphs, from
where a run with GRAPHS=10000000 takes them. BENCH_TMP=FOLDER has the files written there: what is cold comes from that disk.
"""
import json, mmap, os, platform, statistics, subprocess, sys, tempfile, time
from pathlib import Path

import numpy as np

RADII = [0, 16, 31, 48, 63, 64]
BATCH = 64
QUERIES = 8192
VARIANTS = 1000
GRAPHS = int(os.environ.get("GRAPHS", 1_000_000))
KEPT = Path("target/bench-index/graphs")
KEEP_FROM = 600
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def uniform(rng, count):
    return rng.integers(0, 256, (count, 32), dtype=np.uint8)


def disturbed(rng, hashes, least, most):
    """Each hash with a share of its bits turned over; the expected number is drawn between `least` and `most`."""
    out = np.empty_like(hashes)
    for at in range(0, len(hashes), 100_000):
        some = hashes[at : at + 100_000]
        share = rng.uniform(least, most, (len(some), 1)) / 256
        out[at : at + len(some)] = some ^ np.packbits(rng.integers(0, 65536, (len(some), 256), dtype=np.uint16) < share * 65536, axis=1)
    return out


def streamed(numbers):
    """The hashes of these entries of the runner's stream."""
    with np.errstate(over="ignore"):
        z = (numbers[:, None] * np.uint64(4) + np.arange(1, 5, dtype=np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ z >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ z >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
        return np.ascontiguousarray(z ^ z >> np.uint64(31)).view(np.uint8)


def clustered(rng, count, most):
    """As lists of removed pictures are: half of all entries stand alone, the others are copies in groups whose sizes
    follow a power law (exponent 2, at most `most`), up to some 40 bits from the centre of their group."""
    sizes = np.minimum(rng.zipf(2.0, count // 2), max(most, 2))
    sizes = sizes[: np.searchsorted(np.cumsum(sizes), count // 2) + 1]
    which = np.repeat(np.arange(len(sizes)), sizes)[: count // 2]
    copies = disturbed(rng, uniform(rng, len(sizes))[which], 0, 30)
    data = np.concatenate([copies, uniform(rng, count - len(copies))])
    rng.shuffle(data)
    return data


def heavy(rng, count):
    """A tenth of all entries are copies of one picture."""
    copies = disturbed(rng, np.repeat(uniform(rng, 1), count // 10, axis=0), 0, 30)
    data = np.concatenate([copies, uniform(rng, count - len(copies))])
    rng.shuffle(data)
    return data, copies


def make(kind, count):
    rng = np.random.default_rng(count)
    if kind == "heavy":
        data, copies = heavy(rng, count)
        # None of the copies, but near enough to fall into their buckets.
        return data, disturbed(rng, copies[rng.integers(0, len(copies), QUERIES)], 45, 60)
    data = uniform(rng, count) if kind == "uniform" else clustered(rng, count, count // 1000 if kind == "clustered" else VARIANTS)
    near = disturbed(rng, data[rng.integers(0, count, QUERIES // 2)], 0, 28)
    queries = np.concatenate([near, uniform(rng, QUERIES // 2)])
    rng.shuffle(queries)
    return data, queries


def timed(ask, queries, least=0.4):
    """Microseconds a query, singly and in batches."""
    start, done = time.perf_counter(), 0
    while done == 0 or time.perf_counter() - start < least:
        ask(queries[done % len(queries) :][:1])
        done += 1
    single = (time.perf_counter() - start) / done * 1e6
    start, done = time.perf_counter(), 0
    while done == 0 or time.perf_counter() - start < least:
        ask(queries[done % (len(queries) - BATCH) :][:BATCH])
        done += BATCH
    return single, (time.perf_counter() - start) / done * 1e6


class Results:
    def __init__(self):
        self.asked, self.facts, self.load, self.fresh = [], [], os.getloadavg(), True

    def ask(self, name, kind, count, radius, single, batch, recall=1.0, bulk=None):
        self.asked.append((name, kind, count, radius, single, batch, recall, bulk))

    def fact(self, name, kind, count, **facts):
        self.facts.append({"name": name, "data": kind, "entries": count, **facts})


def saved(index, write, read):
    """Bytes when written to a file, and milliseconds to open that from the page cache."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "index")
        write(index, path)
        start = time.perf_counter()
        read(path)
        return Path(path).stat().st_size, (time.perf_counter() - start) * 1e3


def peers(results, kind, count, data, queries):
    import faiss

    faiss.omp_set_num_threads(1)
    start = time.perf_counter()
    flat = faiss.IndexBinaryFlat(256)
    flat.add(data)
    build = time.perf_counter() - start
    size, opened = saved(flat, faiss.write_index_binary, faiss.read_index_binary)
    results.fact("FAISS flat", kind, count, build_s=build, bytes=size / count, open_ms=opened)
    for radius in RADII:
        # FAISS finds distances strictly below its radius.
        results.ask("FAISS flat", kind, count, radius, *timed(lambda q: flat.range_search(q, radius + 1), queries))
    if kind == "heavy":
        return
    some = queries[:256]
    distances, nearest = flat.search(some, 1)
    near = distances[:, 0] <= 31
    truth = flat.range_search(some[:64], 32)[0][-1]

    if count <= 1_000_000 or kind == "uniform":
        start = time.perf_counter()
        multi = faiss.IndexBinaryMultiHash(256, 16, 16)
        multi.add(data)
        build = time.perf_counter() - start
        size, opened = saved(multi, faiss.write_index_binary, faiss.read_index_binary)
        results.fact("FAISS MultiHash", kind, count, build_s=build, bytes=size / count, open_ms=opened)
        for radius in RADII if count <= 100_000 else [0, 16, 31, 48] if count <= 1_000_000 else [0, 31]:
            multi.nflip = radius // 16
            recall = None
            if radius == 31:
                recall = multi.range_search(some[:64], 32)[0][-1] / max(truth, 1)
            results.ask("FAISS MultiHash", kind, count, radius, *timed(lambda q: multi.range_search(q, radius + 1), queries), recall if recall is not None else 1.0)
        del multi
    for name, hold in graphs(kind, count):
        index, build, size, opened, ask = hold(data)
        results.fact(name, kind, count, build_s=build, bytes=size / count, open_ms=opened)
        recall = float((np.array([ask(q, 1) for q in some]) == distances[:, 0])[near].mean())
        results.ask(name, kind, count, 31, *timed(lambda q: ask(q, 10), queries), recall)
        del index, ask


def graphs(kind, count):
    """Names of the graphs that are built over so many hashes, each with a function that does so."""
    if count > GRAPHS or (count > 100_000 and kind != "uniform"):
        return
    import faiss

    made = [("FAISS HNSW", f"faiss-{faiss.__version__}", hnsw)]
    try:
        import usearch

        made.append(("usearch", f"usearch-{usearch.__version__}", usearch_graph))
    except ImportError:
        print("usearch is not there: left out", file=sys.stderr)
    for name, version, hold in made:
        file = f"{version}-{kind}-{count}"
        # Not in passing: that would take hours.
        if count <= 1_000_000 or os.environ.get("GRAPHS_ONLY") or (KEPT / f"{file}.json").exists():
            yield name, lambda data: hold(file, count, data)


def hnsw(file, _, data):
    import faiss

    def build():
        faiss.omp_set_num_threads(CORES)
        index = faiss.IndexBinaryHNSW(256, 16)
        index.add(data)
        faiss.omp_set_num_threads(1)
        return index

    index, *facts = kept(file, build, faiss.write_index_binary, faiss.read_index_binary)
    index.hnsw.efSearch = 64
    return index, *facts, lambda q, k: index.search(q.reshape(-1, 32), k)[0][0, 0]


def usearch_graph(file, count, data):
    from usearch.index import Index

    def build():
        index = Index(ndim=256, metric="hamming", dtype="b1")
        index.add(np.arange(count), data, threads=CORES)
        return index

    index, *facts = kept(file, build, lambda index, path: index.save(path), Index.restore)

    def ask(q, k):
        return index.search(q, k, threads=1).distances.flat[0]

    return index, *facts, ask


def kept(name, build, write, read):
    """A graph, seconds to build it, its bytes, and milliseconds to open it; from where it was kept, if it took long."""
    path, facts = KEPT / name, KEPT / f"{name}.json"
    if path.exists() and facts.exists():
        start = time.perf_counter()
        index = read(str(path))
        return index, json.loads(facts.read_text())["build_s"], path.stat().st_size, (time.perf_counter() - start) * 1e3
    start, used = time.perf_counter(), time.process_time()
    index = build()
    took = time.perf_counter() - start
    if took >= KEEP_FROM:
        # Other work may have gone on beside something as long as this.
        took = time.process_time() - used
        KEPT.mkdir(parents=True, exist_ok=True)
        write(index, str(path))
        facts.write_text(json.dumps({"build_s": took}))
    return index, took, *saved(index, write, read)


def evict(folder):
    """Has the system forget what it holds of the files."""
    os.sync()
    for path in Path(folder).rglob("*"):
        if path.is_file():
            file = os.open(path, os.O_RDONLY)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)


def fresh():
    """Has the system forget all files, where it is permitted; whether it was."""
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3")
    except OSError:
        return False
    return True


def random_read(folder, size=4096, times=200):
    """The median of microseconds that one read of a random block takes, past the page cache; None where that cannot be had."""
    path = max((path for path in Path(folder).rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    try:
        file = os.open(path, os.O_RDONLY | os.O_DIRECT)
    except (AttributeError, OSError):
        return None
    try:
        took, block = [], mmap.mmap(-1, size)
        for at in np.random.default_rng(0).integers(0, path.stat().st_size // size, times):
            start = time.perf_counter()
            os.preadv(file, [block], int(at) * size)
            took.append((time.perf_counter() - start) * 1e6)
        return statistics.median(took)
    except OSError:
        return None
    finally:
        os.close(file)


def run(runner, *words, threads=None):
    environment = dict(os.environ) | ({"RAYON_NUM_THREADS": str(threads)} if threads else {})
    out = subprocess.run([runner, *map(str, words)], check=True, capture_output=True, text=True, env=environment).stdout
    return [json.loads(line) for line in out.splitlines()]


def refrain(results, runner, kind, count, data, queries, folder):
    folder = Path(folder)
    queries.tofile(folder / "queries")
    index = folder / "index"
    results.fresh &= fresh()
    if data is None:
        built = run(runner, "stream", count, index)[0]
    else:
        data.tofile(folder / "data")
        built = run(runner, "build", folder / "data", index)[0]
        (folder / "data").unlink()
    radii = ",".join(map(str, RADII))
    # As it was written first: what is read back from the disk lies in small pages.
    lines = run(runner, "ask", folder / "queries", radii, index, threads=1)
    warm = lines[0]
    results.fact("disk", kind, count, read_us=random_read(index))
    cold = next(iter(run(runner, "cold", folder / "queries", index, threads=1)), {})
    cold = {f"cold_{key[:-3]}_ms": [us / 1e3 for us in value] for key, value in cold.items() if key != "figure"}
    results.fact(
        "refrain", kind, count, build_s=built["seconds"], bytes=built["bytes_an_entry"], open_ms=warm["open_us"] / 1e3,
        first_ms=warm["first_query_us"] / 1e3, **cold,
        reader_ms=warm["reader_us"] / 1e3, peak_gib=built["peak_gib"], parts=built["parts"],
    )
    if kind == "uniform" and data is not None and count >= 1_000_000:
        for way in ["back", "preload"]:
            evict(index)
            results.fact(way, kind, count, **run(runner, way, folder / "queries", index, threads=1)[0])
    for line in lines[1:]:
        whole = line["certain"] >= line["radius"]
        name = "refrain" if whole else f"refrain, certain within {line['certain']}"
        results.ask(name, kind, count, line["radius"], line["single_us"], line["batch_us"], line["share"], line["bulk_us"] or None)
        if whole and line["radius"] in (31, 64):
            results.fact("hits a query", kind, count, radius=line["radius"], hits=line["hits"])
    if kind == "uniform" and data is not None:
        if count <= 1_000_000:
            for radius in [31, 63] if count < 1_000_000 else [31]:
                results.fact("join", kind, count, **run(runner, "join", radius, index)[0])
        for line in run(runner, "add", folder / "queries", index):
            results.fact("live", kind, count, **line)
    if kind == "uniform" and count == 1_000_000:
        for line in run(runner, "writer", folder / "queries", index):
            results.fact("live", kind, count, **line)


def plot(results, out):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "refrain"
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 4.5), sharey=True)
    for axis, radius in zip(axes, [31, 64]):
        for name in dict.fromkeys(row[0] for row in results.asked):
            for column, style in [(5, "o-"), (4, "o:")]:
                points = sorted((row[2], row[column]) for row in results.asked if row[0] == name and row[3] == radius and row[1] == "uniform")
                if points:
                    label = f"{name}, {'batches of 64' if column == 5 else 'single'}"
                    axis.plot(*zip(*points), style, label=label, color=COLOURS[name])
        axis.set(xscale="log", yscale="log", xlabel="entries", title=f"within {radius} bits")
        axis.grid(True, which="major", alpha=0.3)
        axis.legend(fontsize=7, loc="upper left")
    axes[0].set_ylabel("microseconds a query, one core")
    figure.tight_layout()
    figure.savefig(out, metadata={"Date": None})


COLOURS = {"refrain": "#c0392b", "refrain, certain within 15": "#e67e22", "FAISS flat": "#2c3e50", "FAISS MultiHash": "#2980b9", "FAISS HNSW": "#27ae60", "usearch": "#8e44ad"}
KINDS = {
    "uniform": "Random hashes. Half of the queries are entries with up to some 40 bits changed, half are nobody's.",
    "clustered": "As lists of removed pictures are: half of all entries alone, half in groups of copies, the largest a thousandth of all.",
    "variants": f"The same with groups of at most {VARIANTS:,}, whatever the size of the list. Of the film that was copied most, more than 800 variants that look different were listed (Facebook, *Update on New Zealand*, 18 March 2019).",
    "heavy": "The worst: a tenth of all entries are copies of one picture, and every query falls just beside them.",
}


def number(value):
    if isinstance(value, list):
        return ", ".join(map(number, value))
    return "" if value is None else f"{value:,.2f}" if value < 10 else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


def report(results):
    import faiss

    versions = f"faiss-cpu {faiss.__version__}"
    try:
        import usearch

        versions += f", usearch {usearch.__version__}"
    except ImportError:
        pass
    lines = [
        "# The index beside its peers",
        "",
        f"Written by `make bench-index` ({processor()}, {os.cpu_count()} cores; {versions}). Questions on one core, in microseconds a query: *single / in batches of {BATCH} / {QUERIES:,} at once*, the last for refrain up to a radius of 48.",
        f"Recall is the share of what is within 31 (and 64) bits that was found: refrain, flat and MultiHash look for all; *certain within 15* looks into the buckets of that radius only and takes what else is near there; HNSW and usearch look for the ten nearest and may miss (HNSW with 16 links and 64 candidates, usearch as it comes). A dash was not measured, for time; what is slow got few queries, and graphs were built up to {GRAPHS:,} random hashes (those that take more than ten minutes before this run: their time is that of all cores together).",
        f"Load of the machine (runnable programs on average, this benchmark among them) at the beginning and the end: {results.load[0]:.1f} and {os.getloadavg()[0]:.1f}.",
        "",
        "![Microseconds a query over entries](index.svg)",
    ]
    for kind, words in KINDS.items():
        sizes = sorted({row[2] for row in results.asked if row[1] == kind})
        if not sizes:
            continue
        lines += ["", f"## {kind.capitalize()} data", "", words]
        for count in sizes:
            rows = [row for row in results.asked if row[1:3] == (kind, count)]
            hits = {fact["radius"]: fact["hits"] for fact in results.facts if fact["name"] == "hits a query" and (fact["data"], fact["entries"]) == (kind, count)}
            lines += ["", f"**{count:,} entries**" + (f" (hits a query: {number(hits.get(31))} within 31, {number(hits.get(64))} within 64)" if hits else ""), ""]
            lines += ["| | " + " | ".join(f"r = {radius}" for radius in RADII) + " | recall at 31 (64) |", "|---" * (len(RADII) + 2) + "|"]
            for name in dict.fromkeys(row[0] for row in rows):
                cells, recall = [], ""
                for radius in RADII:
                    found = [row for row in rows if row[0] == name and row[3] == radius]
                    times = [value for value in (*found[0][4:6], found[0][7]) if value is not None] if found else []
                    cells.append(" / ".join(map(number, times)) or "–")
                    if found and radius == 31:
                        recall = f"{found[0][6]:.3f}"
                    if found and radius == 64 and name.startswith("refrain,"):
                        recall += f" ({found[0][6]:.3f})"
                lines.append(f"| {name} | " + " | ".join(cells) + f" | {recall} |")
            ours, flat = ([row for row in rows if row[0] == name and row[3] == 31] for name in ("refrain", "FAISS flat"))
            if ours and flat:
                lines += ["", f"At 31, flat takes {flat[0][4] / ours[0][4]:,.0f} times as long singly and {flat[0][5] / ours[0][5]:,.0f} times in batches" + (f"; {flat[0][5] / ours[0][7]:,.0f} times what refrain takes for each of {QUERIES:,} at once (flat gains nothing beyond batches)." if ours[0][7] else ".")]
    lines += [
        "", "## Building and opening", "",
        "Builds on all cores where the library can (MultiHash cannot). Bytes and opening are those of the files that each writes. *Cold*: the system's page cache holds nothing of the files; the least and the median of seven times." + (" It was emptied before each index of refrain was built: how much of one comes to lie in large pages hangs on how much memory is free." if results.fresh else ""),
        "How long a cold first query takes hangs on the disk, whose pace changes; so next to it stands how long this disk takes, in the same minute and in turns with the queries, for 370 random pages of 4 KiB of the same file that are asked for all at once, and then read. A query within 31 of 10,000,000 entries needs some 370 reads, in three rounds that follow from one another.", "",
        "| | data | entries | build, s | bytes an entry | open, ms | first query, ms | cold open, ms | cold first query, ms | 370 random pages of the disk, ms | memory while building, GiB |", "|---" * 11 + "|",
    ]
    for fact in results.facts:
        if "build_s" in fact:
            cells = [number(fact.get(key)) for key in ["build_s", "bytes", "open_ms", "first_ms", "cold_open_ms", "cold_first_ms", "cold_disk_ms", "peak_gib"]]
            lines.append(f"| {fact['name']} | {fact['data']} | {fact['entries']:,} | " + " | ".join(cells) + " |")
    disk = [fact["read_us"] for fact in results.facts if fact.get("read_us")]
    if disk:
        lines += ["", f"One read of a random page of 4 KiB takes this disk {min(disk):.0f} to {max(disk):.0f} microseconds (medians of 200, one after another). Opening is opening for writing, which syncs the database once; a cold first query within 31 of 10,000,000 entries reads some 510 pages."]
    back = [fact for fact in results.facts if fact["name"] in ("back", "preload")]
    if back:
        lines += ["", "After the system has forgotten the file, within 31, singly / in batches of 64, microseconds a query:", ""]
        for fact in back:
            way = "brought in at one go by `preload`" if fact["name"] == "preload" else "brought in by the questions themselves, all 8,192 of them in batches of 64, in small pages"
            lines.append(f"- {fact['entries']:,} entries, {way}, in {fact['seconds']:.2f} s: {number(fact['single_us'])} / {number(fact['batch_us'])}.")
    lines += ["", "## Alive: adding, refreshing, searching beside a writer, joining", ""]
    for fact in results.facts:
        if fact["name"] not in ("live", "join"):
            continue
        count, figure = f"{fact['entries']:,} entries", fact["figure"]
        if figure == "add 1000":
            lines.append(f"- {count}: adding 1,000, durable and visible: {fact['median_us'] / 1e3:.1f} ms (worst of ten {fact['worst_us'] / 1e3:.1f}).")
        elif figure == "add 1":
            lines.append(f"- {count}: adding one at a time from {fact['threads']} threads: {fact['adds_a_second']:,.0f} durable adds a second.")
        elif figure == "refresh":
            lines.append(f"- {count}: refreshing when nothing changed: {fact['unchanged_us']:.1f} microseconds.")
        elif figure == "written":
            lines.append(f"- {count}: the writer added {fact['added']:,} entries in 20 s, 10,000 a second asked; {fact['parts']} parts at the end.")
        elif figure.startswith("latency"):
            lines.append(f"- {count}: single query within 31 {figure[8:]} of 10,000 entries a second: median {fact['median_us']:.0f}, 99 % {fact['p99_us']:.0f}, 99.9 % {fact['p999_us']:,.0f}, worst {fact['worst_us']:,.0f} microseconds." + (" What was added last is scanned until 16,384 entries of it have become a part." if "beside" in figure else ""))
        elif figure == "self join":
            lines.append(f"- {count}: all pairs within {fact['radius']}: {fact['seconds']:.1f} s on {fact['threads']} cores, {fact['pairs']:,} pairs.")
    return "\n".join(lines) + "\n"


def main():
    runner, out = sys.argv[1], Path(sys.argv[2])
    sizes = [int(size) for size in os.environ.get("SIZES", "100000,1000000,10000000").split(",")]
    results = Results()
    if os.environ.get("GRAPHS_ONLY"):
        for count in sizes:
            for name, hold in graphs("uniform", count):
                print(name, f"{count:,}", f"{hold(make('uniform', count)[0])[1]:.0f} s", file=sys.stderr)
        return
    for count in sizes:
        for kind in ["uniform", "clustered", "variants", "heavy"]:
            # At a million, a thousandth of all is as many as there are variants.
            if (kind == "heavy" and count != 1_000_000) or (kind == "variants" and count <= 1_000_000):
                continue
            data, queries = make(kind, count)
            with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_TMP")) as folder:
                refrain(results, runner, kind, count, data, queries, folder)
            peers(results, kind, count, data, queries)
            print(kind, count, f"done after {time.process_time():.0f} s of processor time", file=sys.stderr)
            del data
            write(results, out)
    if os.environ.get("FULL"):
        count, rng = 100_000_000, np.random.default_rng(100_000_000)
        near = disturbed(rng, streamed(rng.integers(0, count, 512, dtype=np.uint64)), 0, 28)
        queries = np.concatenate([near, uniform(rng, 512)])
        rng.shuffle(queries)
        with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_TMP")) as folder:
            refrain(results, runner, "uniform", count, None, queries, folder)
    write(results, out)


def write(results, out):
    """After every data set, so that a run that is stopped leaves what it has."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "index.md").write_text(report(results))
    plot(results, out / "index.svg")


main()
