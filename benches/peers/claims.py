"""Other programs asked about the queries of `refrain eval --export DIR`: prints lines of `query reference score`, where the
score is minus the distance in bits, for `refrain eval --claims - --truth DIR/truth.csv`.

usage: claims.py METHOD DIR
methods: imagehash-average, imagehash-phash, imagehash-dhash, imagehash-whash (PyPI imagehash, 64 bits),
         pdqhash, pdqhash-dihedral (PyPI pdqhash), threatexchange (PyPI threatexchange with its PDQ signal)

Only pairs within three eighths of the bits are printed: no program would call others alike.
"""

import os
import sys

import numpy

NEAR = 3 / 8


def bits_of_hex(text):
    return numpy.unpackbits(numpy.frombuffer(bytes.fromhex(text), dtype=numpy.uint8))


def imagehash_of(name):
    import imagehash
    from PIL import Image

    function = getattr(imagehash, {"average": "average_hash"}.get(name, name))

    def hashes(path):
        with Image.open(path) as picture:
            return [function(picture).hash.flatten().astype(numpy.uint8)]

    return hashes, hashes


def pdqhash_of(dihedral):
    import pdqhash
    from PIL import Image

    def pixels(path):
        with Image.open(path) as picture:
            return numpy.asarray(picture.convert("RGB"))

    def one(path):
        return [pdqhash.compute(pixels(path))[0]]

    def eight(path):
        return list(pdqhash.compute_dihedral(pixels(path))[0])

    return one, eight if dihedral else one


def threatexchange_of():
    from threatexchange.signal_type.pdq.signal import PdqSignal

    def hashes(path):
        from pathlib import Path

        return [bits_of_hex(PdqSignal.hash_from_file(Path(path)))]

    return hashes, hashes


def main(method, folder):
    if method.startswith("imagehash-"):
        of_reference, of_query = imagehash_of(method.removeprefix("imagehash-"))
    elif method in ("pdqhash", "pdqhash-dihedral"):
        of_reference, of_query = pdqhash_of(method == "pdqhash-dihedral")
    elif method == "threatexchange":
        of_reference, of_query = threatexchange_of()
    else:
        sys.exit(__doc__)
    within = os.path.join(folder, "references")
    names = sorted(os.listdir(within))
    # Products with plus and minus one are the bits less twice the distance.
    known = numpy.stack([of_reference(os.path.join(within, name))[0] for name in names]).astype(numpy.float32) * 2 - 1
    bits = known.shape[1]
    within = os.path.join(folder, "queries")
    for query in sorted(os.listdir(within)):
        asked = numpy.stack(of_query(os.path.join(within, query))).astype(numpy.float32) * 2 - 1
        distances = numpy.rint((bits - asked @ known.T) / 2).min(axis=0).astype(int)
        for at in numpy.flatnonzero(distances <= NEAR * bits):
            print(query, names[at], -distances[at], sep="\t")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
