"""The recall of other programs beside that of refrain's own methods, on one folder of exported queries: prints Markdown.

usage: recall_peers.py REFRAIN DIR

DIR is what `refrain eval --export DIR` wrote: the same files are asked of every program, and all claims are scored by
`refrain eval --claims`.
"""

import concurrent.futures
import importlib.metadata
import json
import os
import subprocess
import sys

PEERS = [
    ("imagehash-average", "imagehash"),
    ("imagehash-phash", "imagehash"),
    ("imagehash-dhash", "imagehash"),
    ("imagehash-whash", "imagehash"),
    ("pdqhash", "pdqhash"),
    ("pdqhash-dihedral", "pdqhash"),
    ("threatexchange", "threatexchange"),
]
GROUPS = ["mirror", "letterbox_gradient", "caption_above_20", "crop_left_20", "collage_2x1", "photographed_screen"]


def claimed(folder, method):
    path = os.path.join(folder, "claims", method + ".tsv")
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers", "claims.py")
    with open(path, "w", encoding="utf-8") as out:
        subprocess.run([sys.executable, script, method, folder], stdout=out, check=True)
    return path


def scored(refrain, folder, path):
    command = [refrain, "eval", "--claims", path, "--truth", os.path.join(folder, "truth.csv")]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    return json.loads(done.stdout)


def row(name, score):
    none = score["recall_at_false_rate"][-1]["recall"]
    interval = f"{none['value']:.3f} ({none['low']:.3f}..{none['high']:.3f})"
    cells = [name, f"{score['micro_average_precision']:.3f}", f"{score['recall_at_precision_90']:.3f}", interval]
    cells += [f"{score['attacks'].get(attack, 0):.2f}" for attack in GROUPS]
    return "| " + " | ".join(cells) + " |"


def main(refrain, folder):
    peers = [method for method, _ in PEERS]
    own = sorted(name[:-4] for name in os.listdir(os.path.join(folder, "claims")) if name[:-4] not in peers)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        theirs = list(pool.map(lambda method: scored(refrain, folder, claimed(folder, method)), peers))
    ours = [scored(refrain, folder, os.path.join(folder, "claims", name + ".tsv")) for name in own]
    first = ours[0]
    packages = dict.fromkeys(package for _, package in PEERS)
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in packages)
    print("\n## Other programs on the same files\n")
    print(
        f"{first['references']} references and {first['queries']} queries of this run, written as JPEG files of quality 92 and asked "
        f"of every program as files; {first['false_pairs']} pairs that must not be claimed. Programs: {versions} (PyPI). The radius of "
        "each does not matter here: micro-AP and recall at precision .9 go over all radii, and the recall with no false claim is that "
        "at the widest radius without any, which shrinks as a list grows: so few references flatter all of them. `img_hash` and plain PDQ are asked by refrain's own run. By attack: with no false claim.\n"
    )
    print("| program | micro-AP | recall at precision .9 | recall with no false claim (95 %) | " + " | ".join(GROUPS) + " |")
    print("|---|---|---|---|" + "---|" * len(GROUPS))
    for name, score in zip(own, ours):
        print(row(name.replace("_", " "), score))
    for name, score in zip(peers, theirs):
        print(row(name, score))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
