"""The Python half of `make bench-hash`: pdqhash and threatexchange on the same files, in the same lines as `peers`.

usage: measure.py DIR SIZE
"""

import multiprocessing
import os
import sys
import time

import numpy
import pdqhash
from PIL import Image
from threatexchange.signal_type.pdq.pdq_hasher import pdq_from_bytes

WHILE = 1.2
folder, size = sys.argv[1:3]
with open(os.path.join(folder, size + ".jpg"), "rb") as file:
    data = file.read()
pixels = numpy.asarray(Image.open(os.path.join(folder, size + ".jpg")).convert("RGB"))


def compute():
    return pdqhash.compute(pixels)


def luma():
    """What pdqhash.compute does before it calls the reference C++ core."""
    grey = (pixels[:, :, 0] * 0.299 + pixels[:, :, 1] * 0.587 + pixels[:, :, 2] * 0.114).astype("float32")
    return numpy.zeros_like(grey)


def jpeg():
    return pdq_from_bytes(data)


def alone(work):
    work()
    times, start = [], time.perf_counter()
    while len(times) < 3 or time.perf_counter() - start < WHILE:
        before = time.perf_counter()
        work()
        times.append(time.perf_counter() - before)
    return sorted(times)[len(times) // 2]


def repeat(name, seconds, ready, results):
    work = globals()[name]
    work()
    ready.wait()
    done, start = 0, time.perf_counter()
    while done < 2 or time.perf_counter() - start < seconds:
        work()
        done += 1
    results.put(done / (time.perf_counter() - start))


def together(name, processes):
    ready, results = multiprocessing.Barrier(processes), multiprocessing.Queue()
    workers = [multiprocessing.Process(target=repeat, args=(name, WHILE, ready, results)) for _ in range(processes)]
    for worker in workers:
        worker.start()
    total = sum(results.get() for _ in workers)
    for worker in workers:
        worker.join()
    return total


def line(what, tool, threads, value):
    print(size, what, tool, threads, value, sep="\t", flush=True)


if __name__ == "__main__":
    cores = len(os.sched_getaffinity(0))
    whole, first = alone(compute), alone(luma)
    line("kernel", "PyPI pdqhash, RGB", 1, f"{1 / whole:.3f}")
    line("kernel", "reference C++ core (PyPI pdqhash less its luma)", 1, f"{1 / (whole - first):.3f}")
    line("kernel", "PyPI pdqhash, RGB", cores, f"{together('compute', cores):.3f}")
    line("jpeg", "threatexchange", 1, f"{1 / alone(jpeg):.3f}")
    line("jpeg", "threatexchange", cores, f"{together('jpeg', cores):.3f}")
    bits, _ = compute()
    line("hash", "PyPI pdqhash", 1, "%064x" % int("".join(str(int(bit)) for bit in bits), 2))
