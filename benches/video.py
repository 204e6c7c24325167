"""The measuring half of `make bench-video`: video.py films|measure|time|find|steps|ask|memory WORK [COUNT], video.py report WORK DOCS.

Times are seconds of processor time (user and system) of whole processes, children included, each held to one core; of
vpdq only the call that hashes is counted, without Python's start.
"""

import glob
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys

mode, work = sys.argv[1], os.path.abspath(sys.argv[2])
root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
video, films_tool, refrain = (os.path.join(work, name) for name in ("video", "films", "refrain"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
# name, width, height, seconds, bits a second
FILMS = [("360p", 640, 360, 60, "800k"), ("720p", 1280, 720, 60, "2500k"), ("1080p", 1920, 1080, 30, "5M")]
COPIES = {
    "encoded again": ["-crf", "30"],
    "0.37 s cut off": ["-ss", "0.37", "-crf", "28"],
    "mirrored": ["-vf", "hflip", "-crf", "28"],
    "letterbox": ["-vf", "pad=iw:ih*1.3:0:(oh-ih)/2", "-crf", "28"],
    "caption bar of 12 %": ["-vf", "drawbox=0:ih*0.88:iw:ih*0.12:white:fill", "-crf", "28"],
    "1.25 times as fast": ["-vf", "setpts=PTS/1.25", "-crf", "28"],
}
STRANGERS = {
    "unknown, a keyframe every 2 s": ["-g", "50", "-keyint_min", "50", "-sc_threshold", "0"],
    "unknown, keyframes as x264 sets them (up to 10 s apart)": [],
    "unknown, baseline profile, keyframes up to 10 s apart": ["-profile:v", "baseline"],
}
VPDQ = """
import json, sys, time, resource, vpdq
def used():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
begun = used()
lines = vpdq.computeHash(sys.argv[1], seconds_per_hash=float(sys.argv[2]), thread_count=1)
print(json.dumps({"seconds": used() - begun, "hashes": [[line.quality, line.hex] for line in lines]}))
"""


def path(name):
    return os.path.join(work, name)


def say(what):
    print(what, file=sys.stderr, flush=True)


def ffmpeg(*arguments):
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *map(str, arguments)], check=True)


def sources():
    """Public clips if they are there, otherwise the project's own films."""
    public = sorted(glob.glob(os.path.join(root, "..", "shared", "recall", "videos", "*.mp4")))
    return public[:16] or sorted(glob.glob(os.path.join(root, "fixtures", "*", "*.mp4")))


def join(film, clips, width, height, seconds, *how):
    """One film of the clips, with grain, 25 frames a second."""
    if os.path.exists(film):
        return
    say(f"making {film}")
    inputs = [part for clip in clips for part in ("-stream_loop", "1", "-i", clip)]
    each = "".join(f"[{k}:v]scale={width}:{height},setsar=1,fps=25,format=yuv420p[s{k}];" for k in range(len(clips)))
    joined = "".join(f"[s{k}]" for k in range(len(clips)))
    grain = f"{each}{joined}concat=n={len(clips)}:v=1,noise=alls=4:allf=t[out]"
    ffmpeg(*inputs, "-filter_complex", grain, "-map", "[out]", "-t", seconds, "-c:v", "libx264", "-preset", "veryfast", *how, film + ".new.mp4")
    os.rename(film + ".new.mp4", film)


def make_films():
    half = len(sources()) // 2
    known, strangers = sources()[:half], sources()[half:]
    for name, width, height, seconds, rate in FILMS:
        join(path(f"{name}.mp4"), known, width, height, seconds, "-b:v", rate, "-maxrate", rate, "-bufsize", "4M")
    os.makedirs(path("uploads"), exist_ok=True)
    os.makedirs(path("references"), exist_ok=True)
    for name, how in STRANGERS.items():
        join(path(f"uploads/{name}.mp4"), strangers, 640, 360, 60, "-b:v", "800k", *how)
    for name, how in COPIES.items():
        copy = path(f"copy-{name}.mp4")
        if not os.path.exists(copy):
            ffmpeg("-i", path("360p.mp4"), *how, "-c:v", "libx264", "-preset", "veryfast", copy)
    # A known minute inside a longer film: strangers for two and a half minutes on either side.
    inside = path("uploads/known, a minute inside six.mp4")
    if not os.path.exists(inside):
        how = ["-b:v", "800k", "-g", "50", "-keyint_min", "50"]
        join(path("inside-before.mp4"), strangers, 640, 360, 150, *how)
        join(path("inside-after.mp4"), strangers[::-1], 640, 360, 150, *how)
        join(path("inside-known.mp4"), known, 640, 360, 60, *how)
        with open(path("inside.txt"), "w", encoding="utf-8") as file:
            file.writelines(f"file '{path(f'inside-{part}.mp4')}'\n" for part in ("before", "known", "after"))
        ffmpeg("-f", "concat", "-safe", 0, "-i", path("inside.txt"), "-c", "copy", inside)
    for target, link in (("360p.mp4", "uploads/known.mp4"), ("copy-letterbox.mp4", "references/known.mp4")):
        if not os.path.exists(path(link)):
            os.link(path(target), path(link))
    if not os.path.exists(path("two-hours.mp4")):
        # One frame a second, so that it is made and read within minutes; hashes go by seconds, so there are nearly as many as ever.
        ffmpeg("-f", "lavfi", "-i", "testsrc2=size=1920x1080:rate=1,noise=alls=3:allf=t", "-t", 60, "-c:v", "libx264", "-preset",
               "ultrafast", "-crf", "36", "-g", 2, path("minute.mp4"))
        ffmpeg("-stream_loop", 119, "-i", path("minute.mp4"), "-c", "copy", path("two-hours.mp4"))


def run(command, **environment):
    """Processor seconds, peak memory in MB (10^6 bytes), output; on one core."""
    out = path("out.txt")
    core = min(os.sched_getaffinity(0))
    with open(out, "wb") as file:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.DEVNULL, cwd=work,
                                   env={**os.environ, "RAYON_NUM_THREADS": "1", **environment},
                                   preexec_fn=lambda: os.sched_setaffinity(0, {core}))
        _, status, usage = os.wait4(process.pid, 0)
    with open(out, encoding="utf-8", errors="replace") as file:
        text = file.read()
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6, text, os.waitstatus_to_exitcode(status)


def plain(film, *flags):
    return run(["ffmpeg", "-v", "error", "-nostdin", "-threads", "1", *flags, "-i", film, "-an", "-f", "null", "-"])


def vpdq(film, step):
    seconds, peak, text, code = run([path("venv/bin/python"), "-c", VPDQ, film, str(step)])
    if code != 0:
        return None
    found = json.loads(text)
    return found["seconds"], peak, found["hashes"]


def whole_film(*films):
    if not os.path.exists(films_tool):
        return None
    seconds, peak, text, code = run([films_tool, *films])
    return (seconds, peak, text) if code == 0 else None


def save(name, what):
    with open(path(name), "w", encoding="utf-8") as file:
        json.dump(what, file)


def load(name):
    if not os.path.exists(path(name)):
        return None
    with open(path(name), encoding="utf-8") as file:
        return json.load(file)


def time_films():
    tools = {
        "ffmpeg": lambda film: plain(film),
        "ffmpeg, keyframes": lambda film: plain(film, "-skip_frame", "nokey"),
        "refrain, dense": lambda film: run([video, "print", film, "mixed"]),
        "refrain, keyframes": lambda film: run([video, "print", film, "keyframes"]),
        "refrain, one frame a second": lambda film: run([video, "print", film, "second"]),
        "vpdq, one frame a second": lambda film: vpdq(film, 1),
        "vid_dup_finder_lib, its first seconds": whole_film,
    }
    result = {}
    for name, _, _, seconds, _ in FILMS:
        film, times, more = path(f"{name}.mp4"), {}, {}
        with open(film, "rb") as content:
            content.read()  # it is in the system's memory before anybody is timed
        for _ in range(ROUNDS):
            for tool, ask in tools.items():
                say(f"{name}: {tool}")
                got = ask(film)
                times.setdefault(tool, []).append(None if got is None else got[0])
                if tool == "refrain, dense":
                    more = json.loads(got[2])
        more |= json.loads(run([video, "kept", film])[2])
        result[name] = {"seconds": seconds, "bytes": os.path.getsize(film), "dense": more,
                        "times": {tool: None if None in t else statistics.median(t) for tool, t in times.items()}}
    save("time.json", result)


def share(of, by):
    """vPDQ's percentage: frames of quality 50 that have a frame of the other film within 31."""
    of, by = ([int(text, 16) for quality, text in hashes if quality >= 50] for hashes in (of, by))
    return 100 * sum(any((a ^ b).bit_count() <= 31 for b in by) for a in of) / max(1, len(of))


def find():
    known, rows = vpdq(path("360p.mp4"), 1), []
    for name in COPIES:
        say(name)
        copy = path(f"copy-{name}.mp4")
        theirs = vpdq(copy, 1)
        found = [json.loads(run([video, "compare", copy, path("360p.mp4"), how])[2]) for how in ("mixed", "keyframes")]
        first = whole_film(copy, path("360p.mp4"))
        rows.append((name, share(theirs[2], known[2]) if known and theirs else None, found, json.loads(first[2])["same"] if first else None))
    save("find.json", rows)


def steps():
    save("steps.json", [json.loads(line) for line in run([video, "steps", path("references"), path("uploads")])[2].splitlines()])


def ask(count):
    """From files that the system has forgotten, which the benchmark then brings in at one go, as whoever asks much does."""
    os.sync()
    for file in glob.glob(os.path.join(path(f"list-{count}"), "**"), recursive=True):
        if os.path.isfile(file):
            held = os.open(file, os.O_RDONLY)
            os.posix_fadvise(held, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(held)
    text = run([video, "ask", path(f"list-{count}")])[2]
    save("ask.json", {"count": int(count), "rows": [json.loads(line) for line in text.splitlines()]})


def memory():
    film, rows = path("two-hours.mp4"), []

    def row(name, command, hashes):
        say(name)
        cache = path("memory-cache")
        shutil.rmtree(cache, ignore_errors=True)
        seconds, peak, text, code = run(command, REFRAIN_CACHE=cache)
        if code not in (0, 1):
            raise SystemExit(f"{name}: {code}")
        rows.append([name, seconds, peak, hashes(text)])

    counted = lambda text: json.loads(text)["hashes"]
    added = lambda text: int(re.search(r"(\d+) hashes", text).group(1))
    row("fingerprint, dense", [video, "print", film, "mixed"], counted)
    row("fingerprint, keyframes", [video, "print", film, "keyframes"], counted)
    for store, known in (("other", "360p.mp4"), ("same", "two-hours.mp4")):
        shutil.rmtree(path(f"memory-{store}"), ignore_errors=True)
        name = "`refrain add`" if store == "same" else "`refrain add` of the minute of 360 lines"
        row(name, [refrain, "add", "--store", path(f"memory-{store}"), "--bank", "films", path(known)], added)
    scan = lambda store, *how: [refrain, "scan", "--quiet", "--store", path(f"memory-{store}"), *how, film]
    row("`refrain scan`, not known, in two steps", scan("other", "--threads", "1"), lambda _: None)
    for known, store in (("not known", "other"), ("known", "same")):
        for threads in ("1", "8"):
            row(f"`refrain scan --whole`, {known}, {threads} thread{'s' if threads > '1' else ''}", scan(store, "--whole", "--threads", threads), lambda _: None)
    save("memory.json", rows)


def cpu():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        found = re.search(r"model name\s*: (.*)", file.read())
    return found.group(1) if found else platform.processor()


def report(docs):
    timed, found, stepped, asked, held = (load(f"{name}.json") for name in ("time", "find", "steps", "ask", "memory"))
    version = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, check=True).stdout.split()[2]
    lines = ["# Films", "",
             f"`make bench-video`: one core of {cpu()}, {platform.system()} {platform.machine()}; FFmpeg {version}, PyPI vpdq 0.2.5, crate vid_dup_finder_lib 0.4.0.",
             "Seconds are of processor time, medians of three turns in which every tool had its turn; the machine was shared, so the last digit says nothing.", ""]
    if timed:
        lines += ["## Fingerprints", "",
                  "Films are joined from the public clips (or from `fixtures/`), scaled, with grain, by libx264 at 25 frames a second; sound is left out everywhere.", "",
                  "| | " + " | ".join(f"{name}, {film['seconds']} s, {film['bytes'] * 8 / film['seconds'] / 1e6:.1f} Mbit/s" for name, film in timed.items()) + " |",
                  "|---|" + "---|" * len(timed)]
        for tool in next(iter(timed.values()))["times"]:
            cells = [f"{film['times'][tool]:.2f}" if film["times"][tool] is not None else "not built" for film in timed.values()]
            lines.append(f"| {tool} | " + " | ".join(cells) + " |")
        ratio = lambda a, b: " | ".join("–" if None in (f["times"][a], f["times"][b]) else f"{f['times'][b] / f['times'][a]:.2f}" for f in timed.values())
        lines += [f"| **dense beside FFmpeg decoding every frame** (wanted: 0.85) | {ratio('refrain, dense', 'ffmpeg')} |",
                  f"| **keyframes beside FFmpeg decoding keyframes** (wanted: 0.85) | {ratio('refrain, keyframes', 'ffmpeg, keyframes')} |",
                  f"| **keyframes, times the speed of vpdq** (wanted: 5; this is how most uploads are asked) | {ratio('refrain, keyframes', 'vpdq, one frame a second')} |",
                  f"| dense, times the speed of vpdq (every frame decoded, as for a reference) | {ratio('refrain, dense', 'vpdq, one frame a second')} |", "",
                  "vid_dup_finder_lib looks at the first seconds of a film alone (its default), whatever its length; it decodes them by starting `ffmpeg`.", "",
                  "![seconds](video.svg)", "",
                  "Joined from many clips, these films change more often than most. A minute of them: " + "; ".join(
                      f"{name} {60 * film['dense']['hashes'] / film['dense']['duration']:.0f} hashes in a dense fingerprint, "
                      f"{60 * film['dense']['entries'] / film['dense']['duration']:.0f} entries in the index and {60 * film['dense']['bytes'] / film['dense']['duration'] / 1000:.1f} kB in the store, beside the index, as a reference"
                      for name, film in timed.items()) + ".", ""]
    if found:
        lines += ["## What is found", "", "Copies of the film of 360 lines. vPDQ asks for 80 % of a film's frames; vid_dup_finder_lib compares the beginnings, within its default tolerance.", "",
                  "| copy | vpdq, one frame a second: per cent of frames | vid_dup_finder_lib | refrain, dense | refrain, keyframes of the copy |", "|---|---|---|---|---|"]
        for name, percent, both, same in found:
            cells = [f"{one['query'][0]:.1f}..{one['query'][1]:.1f} s is {one['reference'][0]:.1f}..{one['reference'][1]:.1f} s, {one['segments']} segments" if one["segments"] else "nothing" for one in both]
            lines.append(f"| {name} | {'not built' if percent is None else f'{percent:.0f}'} | {'not built' if same is None else 'the same' if same else 'not the same'} | {cells[0]} | {cells[1]} |")
        lines.append("")
    if stepped:
        lines += ["## Asked in two steps", "", "One minute of 360 lines each, or six of which one is known; the list is one letterboxed film; seconds of the clock, decoding and asking together, once.", "",
                  "| upload | known | found in two steps | decoded densely, s of film | two steps, s | whole at once, s |", "|---|---|---|---|---|---|"]
        lines += [f"| {row['file'][:-4]} | {'yes' if row['found'] else 'no'} | {row['found'] - row['lost']} of {row['found']} | {row['decoded'] + 0:.0f} of {row['duration']:.0f} | {row['two_steps_s']:.2f} | {row['whole_s']:.2f} |" for row in stepped]
        lines.append("")
    if asked:
        lines += [f"## Ten minutes of query hashes against {asked['count']:,}", "",
                  "600 frames, one a second, of which 60 are of a film of the list; the list is random. Wanted: under 20 ms, and alignment under a tenth of it.",
                  "The store looks up the detail hash of every frame within 50, and for certain within 15, as it lies and inverted: 1,200 look-ups; in eight orientations: 9,600.",
                  "Index and store were brought into memory by `preload` after opening.",
                  aligned(asked["rows"]), "",
                  "| | milliseconds |", "|---|---|"]
        lines += [f"| {row['what']} | {row['ms']:,.3g} |" if row["ms"] < 100 else f"| {row['what']} | {row['ms']:,.0f} |" for row in asked["rows"]]
        lines.append("")
    if held:
        lines += ["## Memory", "", "A film of two hours, 1920x1080, one frame a second, a minute of pictures over and over, so that a store that knows it is hit a hundred times by every hash.",
                  "Whole processes on one core, whatever the threads; MB are 10^6 bytes. Wanted: under 200 MB.", "", "| | seconds | peak memory, MB | hashes |", "|---|---|---|---|"]
        lines += [f"| {name} | {seconds:.0f} | {peak:.0f} | {'' if hashes is None else f'{hashes:,}'} |" for name, seconds, peak, hashes in held]
        lines.append("")
    with open(os.path.join(docs, "video.md"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines).rstrip() + "\n")
    if timed:
        plot(timed, os.path.join(docs, "video.svg"))


def aligned(rows):
    """What share of the cheapest question the alignment takes, and where exactly the segment lies."""
    times = {row["what"]: row["ms"] for row in rows}
    whole = min(ms for what, ms in times.items() if what.startswith("store"))
    aligned, laid = (100 * times[what] / whole for what in ["alignment of a minute that matches", "its line and its borders"])
    return f"Alignment takes {aligned:.2f} % of the question as it lies, to lay its line and its borders {laid:.2f} % more."


def plot(timed, target):
    """Seconds of processor time for a second of film, by tool and size."""
    rows = [(f"{tool}, {name}", film["times"][tool] / film["seconds"]) for name, film in timed.items()
            for tool in film["times"] if film["times"][tool] is not None]
    longest, height = max(value for _, value in rows), 24 * len(rows) + 30
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{height}" font-family="sans-serif" font-size="12">',
             '<rect width="100%" height="100%" fill="white"/>', '<text x="10" y="18">Milliseconds of processor time for a second of film (shorter is better)</text>']
    for at, (label, value) in enumerate(rows):
        y, width = 24 * at + 30, 360 * value / longest
        colour = "#2a7d46" if label.startswith("refrain") else "#8a8f98"
        parts.append(f'<text x="10" y="{y + 13}">{label}</text><rect x="300" y="{y}" width="{width:.1f}" height="17" fill="{colour}"/>'
                     f'<text x="{306 + width:.1f}" y="{y + 13}">{1000 * value:.1f}</text>')
    with open(target, "w", encoding="utf-8") as file:
        file.write("\n".join([*parts, "</svg>"]) + "\n")


if __name__ == "__main__":
    if mode == "films":
        make_films()
    elif mode == "report":
        report(sys.argv[3])
    else:
        steps = {"time": time_films, "find": find, "steps": steps, "memory": memory, "ask": lambda: ask(sys.argv[3])}
        for name, step in steps.items():
            if mode in (name, "measure"):
                step()
