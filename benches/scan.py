"""The measuring half of `make bench-scan`: scan.py films WORK and scan.py many WORK make what is scanned beside the stills, then
scan.py measure WORK DOCS.

Every tool looks for duplicates among the same generated files, once with nothing cached and once more; what it groups is
held against truth.csv. A pair counts as found if both files are in one group; a pair of strangers in one group is a false one.
"""

import csv
import itertools
import json
import multiprocessing
import os
import platform
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
import types

mode, work = sys.argv[1], os.path.abspath(sys.argv[2])
media, films = os.path.join(work, "media", "stills"), os.path.join(work, "films")
cores = len(os.sched_getaffinity(0))
refrain, czkawka = os.path.join(work, "refrain"), os.path.abspath(os.environ.get("CZKAWKA", ""))
FILMS = 24
MANY = 100_000
PART = 5000  # so many stills for the tools in Python, which take minutes for all of them


def make_films():
    """Slide shows of the stills with a moving camera, and a copy of each: encoded anew, smaller, or trimmed."""
    os.makedirs(films, exist_ok=True)
    for number in range(FILMS):
        first, second = (os.path.join(films, f"{number:03d}{name}.mp4") for name in "ab")
        if os.path.exists(second):
            continue
        common = ["ffmpeg", "-v", "error", "-y"]
        camera = "scale=480:360:force_original_aspect_ratio=increase,crop=480:360,fps=25,crop=400:300:40+35*sin(t):30+25*cos(0.7*t)"
        subprocess.run([*common, "-framerate", "0.5", "-start_number", str(number * 20), "-i", os.path.join(media, "%06da.jpg"),
                        "-frames:v", "500", "-vf", camera, "-c:v", "libx264", "-preset", "veryfast", "-crf", "23", first], check=True)
        how = [["-crf", "32"], ["-vf", "scale=240:180", "-crf", "28"], ["-ss", "1.3", "-crf", "26"]][number % 3]
        subprocess.run([*common, "-i", first, "-c:v", "libx264", "-preset", "veryfast", *how, second], check=True)


def run(command, **environment):
    """Wall seconds, peak memory in MB of 10^6 bytes, output."""
    out = os.path.join(work, "out.txt")
    with open(out, "wb") as file:
        begun = time.perf_counter()
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.DEVNULL, env={**os.environ, **environment}, cwd=work)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
    with open(out, encoding="utf-8", errors="replace") as file:
        return seconds, usage.ru_maxrss * 1024 / 1e6, file.read(), os.waitstatus_to_exitcode(status)


def name(path):
    return os.path.basename(path)


def of_refrain(text):
    lines = (json.loads(line) for line in text.splitlines())
    return [[name(file["path"]) for file in line["files"]] for line in lines if "group" in line]


def of_czkawka(path):
    with open(path, encoding="utf-8") as file:
        found = json.load(file)
    groups = found if isinstance(found, list) else list(itertools.chain.from_iterable(found.values()))
    return [[name(entry["path"]) for entry in group] for group in groups]


def judge(groups, truth):
    """Share of copies found, by change, and false pairs."""
    group_of, false = {}, 0
    for number, group in enumerate(groups):
        for file in group:
            group_of.setdefault(file, set()).add(number)
        counts = {}
        for file in group:
            counts[file[:-5]] = counts.get(file[:-5], 0) + 1
        total = len(group)
        false += total * (total - 1) // 2 - sum(n * (n - 1) // 2 for n in counts.values())
    hits = {}
    for first, second, change in truth:
        found = bool(group_of.get(first, set()) & group_of.get(second, set()))
        hits.setdefault(change, []).append(found)
    every = [hit for of_change in hits.values() for hit in of_change]
    return sum(every) / len(every), {change: sum(h) / len(h) for change, h in hits.items()}, false


def tool_refrain(folder, cache, *options):
    command = [refrain, "dedupe", "--quiet", "--json", *options, folder]
    seconds, memory, text, _ = run(command, REFRAIN_CACHE=os.path.join(work, cache))
    return seconds, memory, of_refrain(text)


def tool_czkawka(kind, folder, cache, *options):
    home = os.path.join(work, cache)
    found = os.path.join(work, "found.json")
    if os.path.exists(found):
        os.remove(found)
    command = [czkawka, kind, "-d", folder, "-m", "1", "-N", "-M", "-W", "-C", found, *options]
    seconds, memory, _, _ = run(command, XDG_CACHE_HOME=home, XDG_CONFIG_HOME=home)
    return seconds, memory, of_czkawka(found) if os.path.exists(found) else []


def hash_one(path):
    import imagehash
    from PIL import Image
    with Image.open(path) as picture:
        return imagehash.phash(picture).hash.flatten()


def tool_imagehash(folder, files):
    """phash of 64 bits by a pool of processes, pairs within 10 bits by numpy; imagehash has no cache."""
    import numpy
    begun = time.perf_counter()
    with multiprocessing.Pool(cores) as pool:
        hashes = numpy.packbits(numpy.array(pool.map(hash_one, [os.path.join(folder, file) for file in files], chunksize=64)), axis=1)
    bits = numpy.unpackbits(hashes, axis=1).astype(numpy.float32) * 2 - 1
    groups = []
    for at in range(0, len(files), 1000):
        distance = (64 - bits[at:at + 1000] @ bits.T) / 2
        for row, column in zip(*numpy.nonzero(distance <= 10)):
            if at + row < column:
                groups.append([files[at + row], files[column]])
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + cores * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) * 1024 / 1e6
    return time.perf_counter() - begun, memory, groups


def tool_imagededup(folder):
    """The package's own PHash and search at its default of 10 bits, in a process of its own so that its memory is its own."""
    seconds, memory, text, code = run([sys.executable, os.path.abspath(__file__), "imagededup", work, folder])
    assert code == 0, code
    return seconds, memory, json.loads(text.splitlines()[-1])


def imagededup_alone(folder):
    # The package imports PyTorch for its neural network alone. These two of its modules are that network; the hashing
    # methods that are measured here are untouched and never call them.
    for module, what in (("imagededup.methods.cnn", "CNN"), ("imagededup.utils.models", "CustomModel")):
        stub = types.ModuleType(module)
        setattr(stub, what, None)
        sys.modules[module] = stub
    from imagededup.methods import PHash
    found = PHash(verbose=False).find_duplicates(image_dir=folder, num_enc_workers=cores, num_dist_workers=cores)
    print(json.dumps([[file, other] for file, others in found.items() for other in others if file < other]))


def report_figures():
    """The report of ten thousand pairs in a browser, in the words of the browser test; None if there is no browser."""
    command = ["sh", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "browser", "run.sh")]
    ran = subprocess.run(command, env={**os.environ, "REFRAIN": refrain}, capture_output=True, text=True, check=False)
    found = re.search(r"^10,000 pairs, .*$", ran.stdout, re.MULTILINE)
    return found.group(0) if found else None


def interrupt():
    """Seconds from SIGINT to the end of a scan of films and stills."""
    times = []
    for wait in (1.0, 2.0, 3.0):
        process = subprocess.Popen([refrain, "dedupe", "--quiet", "--no-cache", films, media], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, cwd=work)
        time.sleep(wait)
        begun = time.perf_counter()
        process.send_signal(signal.SIGINT)
        code = process.wait()
        assert code == 130, code
        times.append(time.perf_counter() - begun)
    return max(times)


def make_many():
    """MANY files of their own: the thousand smallest stills over and over, each with a number behind its end."""
    folder = os.path.join(work, "many")
    if os.path.exists(os.path.join(folder, f"{MANY - 1:06d}.jpg")):
        return
    os.makedirs(folder, exist_ok=True)
    small = sorted((os.path.join(media, file) for file in os.listdir(media)), key=os.path.getsize)[:1000]
    contents = []
    for path in small:
        with open(path, "rb") as file:
            contents.append(file.read())
    for at in range(MANY):
        with open(os.path.join(folder, f"{at:06d}.jpg"), "wb") as file:
            file.write(contents[at % len(contents)] + b"%06d" % at)


def many(files):
    """Seconds, peak memory in MB and lines of a scan, a scan that has all in its journal, and dedupe twice, over MANY files."""
    folder, store, journal = (os.path.join(work, name) for name in ("many", "store", "journal"))
    for old in (store, os.path.join(work, "cache-many")):
        shutil.rmtree(old, ignore_errors=True)
    if os.path.exists(journal):
        os.remove(journal)
    cache = {"REFRAIN_CACHE": os.path.join(work, "cache-many")}
    run([refrain, "add", "--no-cache", "--store", store, "--bank", "b", *(os.path.join(media, file) for file in files[:20])])
    scan = [refrain, "scan", "--quiet", "--json", "--store", store, "--resume", journal, folder]
    dedupe = [refrain, "dedupe", "--quiet", "--json", folder]
    rows = []
    for label, command in (("`scan --json --resume`", scan), ("the same again, all of it in the journal", scan),
                           ("`dedupe --json`", dedupe), ("the same again", dedupe)):
        seconds, memory, text, code = run(command, **cache)
        assert code in (0, 1), (label, code)
        if command is scan:
            assert len(text.splitlines()) == MANY, len(text.splitlines())
        rows.append((label, seconds, memory))
    return rows


def measure(docs):
    with open(os.path.join(work, "media", "truth.csv"), encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file)]
    by_group = {}
    for row in rows:
        by_group.setdefault(row["group"], []).append((name(row["file"]), row["change"]))
    truth = [(pair[0][0], pair[1][0], pair[1][1]) for pair in (sorted(group) for group in by_group.values())]
    files = sorted(os.listdir(media))
    for cache in ("cache-refrain", "cache-turned", "cache-films", "cz", "cz20", "cz-films"):
        shutil.rmtree(os.path.join(work, cache), ignore_errors=True)
    for file in files:  # everything is in the system's memory before anybody is timed
        with open(os.path.join(media, file), "rb") as content:
            content.read()
    table = []

    part = os.path.join(work, "part")
    shutil.rmtree(part, ignore_errors=True)
    os.makedirs(part)
    for file in files[:PART]:
        os.symlink(os.path.join(media, file), os.path.join(part, file))

    truth_of_part = [pair for pair in truth if os.path.lexists(os.path.join(part, pair[0]))]

    def still(label, tool, cached=True):
        say(label)
        first = tool()
        # the second run takes so little time that the median of three is told
        second = (sorted(tool()[0] for _ in range(3))[1],) if cached else (None,)
        recall, by_change, false = judge(first[2], truth if cached else truth_of_part)
        table.append((label, first[0], second[0], first[1], recall, false, by_change))

    still("refrain dedupe", lambda: tool_refrain(media, "cache-refrain"))
    still("refrain dedupe --turned", lambda: tool_refrain(media, "cache-turned", "--turned"))
    still("czkawka image, its defaults", lambda: tool_czkawka("image", media, "cz"))
    still("czkawka image, difference 20", lambda: tool_czkawka("image", media, "cz20", "-s", "20"))
    still("imagehash phash, 10 of 64 bits", lambda: tool_imagehash(part, files[:PART]), cached=False)
    still("imagededup PHash, 10 of 64 bits", lambda: tool_imagededup(part), cached=False)
    say("a process that does nothing")
    start = sorted(run([refrain, "--version"])[0] for _ in range(5))[2]

    film_truth = [(f"{at:03d}a.mp4", f"{at:03d}b.mp4", ["encoded anew", "smaller", "trimmed"][at % 3]) for at in range(FILMS)]
    film_table = []
    for label, tool in (("refrain dedupe", lambda: tool_refrain(films, "cache-films")),
                        ("czkawka video, its defaults", lambda: tool_czkawka("video", films, "cz-films"))):
        say(label + ", films")
        first, second = tool(), tool()
        film_table.append((label, first[0], second[0], first[1], *judge(first[2], film_truth)))
    say("interrupt")
    stopped = interrupt()
    say("the parts")
    parts = json.loads(run([os.path.join(work, "scan_parts"), media, "1000"])[2])
    say(f"{MANY} files")
    rows_of_many = many(files)
    say("the report in a browser")
    browser = report_figures()
    say("the self-join")
    joins = [json.loads(run([os.path.join(work, "dedupe_join"), count, "31"])[2]) for count in ("100000", "1000000")]
    result = {"stills": len(files), "bytes": sum(os.path.getsize(os.path.join(media, file)) for file in files),
              "table": table, "films": film_table, "stopped": stopped, "parts": parts, "joins": joins,
              "many": rows_of_many, "browser": browser, "start": start,
              "machine": f"{cores} cores of {cpu()}, {platform.system()} {platform.machine()}",
              "versions": f"czkawka_cli {version(czkawka)}, imagehash {package('imagehash')}, imagededup {package('imagededup')}"}
    with open(os.path.join(work, "result.json"), "w", encoding="utf-8") as file:
        json.dump(result, file)
    report(docs)


def say(what):
    print("measuring", what, file=sys.stderr, flush=True)


def cpu():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        found = re.search(r"model name\s*: (.*)", file.read())
    return found.group(1) if found else platform.processor()


def version(program):
    return subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout.split()[1]


def package(what):
    import importlib.metadata
    return importlib.metadata.version(what)


def report(docs):
    with open(os.path.join(work, "result.json"), encoding="utf-8") as file:
        result = json.load(file)
    seconds = lambda value: "no cache" if value is None else f"{value:.2f}"
    changes = sorted(result["table"][0][6])
    base = result["table"][0]
    lines = ["# Scanning and finding duplicates", "",
             f"`COUNT={result['stills']} make bench-scan`, one run: {result['machine']}; {result['versions']}.",
             f"{result['stills']:,} generated stills ({result['bytes'] / 1e6:,.0f} MB), half of them altered copies of the other half (`benches/scan_media.rs`).",
             "Files are in the system's memory before anybody is timed. *False pairs* are strangers in one group. Peak memory is what the system says of a process, which is never less than what the benchmark itself held when it started it.",
             "The second run finds everything as it was; its time is the median of three. *Beside refrain* is how many times the first row's time a tool takes.", "",
             "## Stills", "",
             "| tool | first scan, s | second, s | peak memory, MB | copies found | false pairs | first scan beside refrain | second |",
             "|---|---|---|---|---|---|---|---|"]
    for label, first, second, peak, recall, false, _ in result["table"]:
        share = 1 if second else min(PART, result["stills"]) / result["stills"]
        beside = f"{first / share / base[1]:.1f} x" if label != base[0] else ""
        again = f"{second / base[2]:.1f} x" if second and label != base[0] else ""
        lines.append(f"| {label} | {first:.2f} | {seconds(second)} | {peak:.0f} | {recall:.3f} | {false} | {beside} | {again} |")
    lines += ["", "Copies found, by what was done to them:", "", "| tool | " + " | ".join(changes) + " |", "|---|" + "---|" * len(changes)]
    for label, _, _, _, _, _, by_change in result["table"]:
        lines.append(f"| {label} | " + " | ".join(f"{by_change[change]:.2f}" for change in changes) + " |")
    lines += ["", "![seconds of the first scan](scan.svg)", "", f"imagehash and imagededup keep no cache; they were given the first {min(PART, result['stills']):,} of the stills, and *beside refrain* is by the file. imagehash's memory is that of all its processes, imagededup's that of its largest.",
              "imagededup is installed without PyTorch: the two modules of the package that hold its neural network (`methods.cnn`, `utils.models`) are empty in this",
              "process, and its hashing methods, which are what is measured, run as published.", "", *second_run(result), "",
              "## Films", "", f"{2 * FILMS} films of 20 seconds, half of them copies (encoded anew, smaller, or with 1.3 seconds cut off).", "",
              "| tool | first scan, s | second, s | peak memory, MB | copies found | false pairs |", "|---|---|---|---|---|---|"]
    for label, first, second, peak, recall, _, false in result["films"]:
        lines.append(f"| {label} | {first:.2f} | {second:.2f} | {peak:.0f} | {recall:.3f} | {false} |")
    parts, joins = result["parts"], result["joins"]
    lines += ["", "## What a scan costs beside its parts", "",
              f"`scan` of {parts['stills']} of the stills against a store of a tenth of them, {parts['threads']} threads, medians of three turns (`benches/scan_parts.rs`):", "",
              "| | seconds | |", "|---|---|---|",
              f"| decode, hash and ask, each summed over all files and shared among the threads | {parts['parts_s']:.3f} | |",
              f"| the scan | {parts['scan_s']:.3f} | {100 * (parts['scan_s'] / parts['parts_s'] - 1):+.1f} % |",
              f"| the scan with a journal | {parts['journal_s']:.3f} | {100 * (parts['journal_s'] / parts['scan_s'] - 1):+.1f} % |",
              f"| stopped halfway and gone on with, both runs | {parts['resumed_s']:.3f} | {100 * (parts['resumed_s'] / parts['scan_s'] - 1):+.1f} % |", "",
              f"From SIGINT to the end of the process, among films and stills, longest of three: {result['stopped']:.2f} s.", "",
              "## Hashes against themselves", "", "| hashes | pairs | index, s | self-join at 31, s | grouping, s | in all, s |", "|---|---|---|---|---|---|"]
    for join in joins:
        lines.append(f"| {join['hashes']:,} | {join['pairs']:,} | {join['build_s']:.2f} | {join['join_s']:.2f} | {join['group_s']:.2f} | {join['all_s']:.2f} |")
    lines += ["", f"## {MANY:,} files", "", "The thousand smallest of the stills a hundred times each, every file of its own with a number behind its end, so that nothing is known before it is decoded.", "",
              "| | seconds | peak memory, MB |", "|---|---|---|"]
    lines += [f"| {label} | {seconds:.2f} | {peak:.0f} |" for label, seconds, peak in result["many"]]
    lines += ["", "## The report", "", f"In headless Chromium on the same machine (`make test-browser`): {result['browser']}." if result["browser"]
              else "Not measured: no browser on this machine (`make test-browser`)."]
    with open(os.path.join(docs, "scan.md"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    plot(result["table"], os.path.join(docs, "scan.svg"))


def second_run(result):
    """What came of the aim of ten times czkawka's speed, whichever way it went."""
    rows = {row[0]: row for row in result["table"]}
    own = rows["refrain dedupe"][2]
    czkawka_rows = [(label, rows[label][2] / own) for label in ("czkawka image, its defaults", "czkawka image, difference 20")]
    verdicts = [f"{label.removeprefix('czkawka image, ')} {times:.1f} x ({'reached' if times >= 10 else 'not reached'})" for label, times in czkawka_rows]
    return [f"A second run ten times as quick as czkawka's was aimed at: {', '.join(verdicts)}. Of refrain's {own:.3f} s, {result['start']:.3f} s are the start of a process",
            "that does nothing (`refrain --version`; FFmpeg's libraries are loaded only where a film is decoded)."]


def plot(table, path):
    table = [row for row in table if row[2]]  # of the same number of files
    longest = max(row[1] for row in table)
    height = 34 * len(table) + 30
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="720" height="{height}" font-family="sans-serif" font-size="13">',
             '<rect width="100%" height="100%" fill="white"/>', '<text x="10" y="18">First scan, seconds (shorter is better), and share of copies found</text>']
    for at, row in enumerate(table):
        y, width = 34 * at + 30, 320 * row[1] / longest
        colour = "#2a7d46" if row[0].startswith("refrain") else "#8a8f98"
        parts.append(f'<text x="10" y="{y + 17}">{row[0]}</text><rect x="240" y="{y}" width="{width:.1f}" height="24" fill="{colour}"/>'
                     f'<text x="{246 + width:.1f}" y="{y + 17}">{row[1]:.1f} s, {100 * row[4]:.0f} %</text>')
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join([*parts, "</svg>"]) + "\n")


if __name__ == "__main__":
    if mode == "films":
        make_films()
    elif mode == "many":
        make_many()
    elif mode == "imagededup":
        imagededup_alone(sys.argv[3])
    elif mode == "report":
        report(sys.argv[3])
    else:
        measure(sys.argv[3])
