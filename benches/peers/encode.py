"""Makes the JPEGs of `make bench-hash` of the pictures that `peers generate` wrote, as cameras and platforms do: 4:2:0.

usage: encode.py DIR
"""

import glob
import os
import sys

from PIL import Image

for path in glob.glob(os.path.join(sys.argv[1], "*.png")):
    with Image.open(path) as picture:
        picture.save(os.path.splitext(path)[0] + ".jpg", quality=85, subsampling="4:2:0")
