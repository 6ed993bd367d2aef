"""Golden values for Tests/ResamplingTests: what Pillow makes of a picture at other sizes.

Run it with numpy and Pillow 13; it writes data/resampling.json. Both sides draw the picture by Philox, so it need not be
stored.
"""

import json
import pathlib

import numpy as np
from philox import Philox
from PIL import Image

FILTERS = {
    "area": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
# (height, width) of the source, then of the target: smaller, by an odd factor, larger, and both at once.
SIZES = [((16, 24), (8, 12)), ((23, 19), (7, 5)), ((9, 7), (13, 16)), ((30, 6), (7, 9))]


def main():
    cases = []
    for number, ((height, width), (new_height, new_width)) in enumerate(SIZES):
        picture = Philox(100 + number).uniform(height * width).reshape(height, width)
        for name, kernel in FILTERS.items():
            result = Image.fromarray(picture).resize((new_width, new_height), kernel)
            cases.append(
                {
                    "seed": 100 + number,
                    "height": height,
                    "width": width,
                    "newHeight": new_height,
                    "newWidth": new_width,
                    "filter": name,
                    "values": [round(float(v), 7) for v in np.asarray(result).reshape(-1)],
                }
            )
    path = pathlib.Path(__file__).parent / "data" / "resampling.json"
    path.write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")


main()
