"""Makes what Tests/RunRecordsTests compares with: an event file by TensorBoard's own code, and enlarged pictures by Pillow.

    python Tests/Golden/make_records.py

Writes Tests/Golden/data/records.tfevents and strips.safetensors. With an argument it reads that event file with
TensorBoard's reader and prints what it finds: the other direction.
"""

import io
import os
import sys

import numpy as np
from PIL import Image
from safetensors.numpy import save_file
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

from philox import Philox

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")


def png(pixels) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def events():
    gray = png((np.arange(12, dtype=np.uint8) * 20).reshape(3, 4))
    colour = png((np.arange(2 * 5 * 3, dtype=np.uint8) * 8).reshape(2, 5, 3))
    with open(os.path.join(DATA, "records.tfevents"), "wb") as file:
        writer = RecordWriter(file)

        def add(**fields):
            writer.write(event_pb2.Event(**fields).SerializeToString(deterministic=True))

        def summary(*values):
            return summary_pb2.Summary(value=[summary_pb2.Summary.Value(**value) for value in values])

        def image(data, height, width, channels):
            return summary_pb2.Summary.Image(
                height=height, width=width, colorspace=channels, encoded_image_string=data)

        add(wall_time=1700000000.25, file_version="brain.Event:2")
        add(wall_time=1700000000.25, step=300, session_log=event_pb2.SessionLog(
            status=event_pb2.SessionLog.START))
        add(wall_time=1700000001.5, step=300, summary=summary(
            {"tag": "d.real", "simple_value": 0.6931472}, {"tag": "g.l1", "simple_value": 0.0},
            {"tag": "prüf/psnr", "simple_value": -31.25}))
        add(wall_time=1700000002.75, step=5_000_000_000, summary=summary(
            {"tag": "g.l1", "simple_value": float(np.float32(0.0213))}))
        add(wall_time=1700000003.0, step=301, summary=summary(
            {"tag": "strip", "image": image(gray, 3, 4, 1)}))
        add(wall_time=1700000003.0, step=301, summary=summary(
            {"tag": "strip", "image": image(colour, 2, 5, 3)}))
        writer.flush()
    with open(os.path.join(DATA, "records-gray.png"), "wb") as file:
        file.write(gray)
    with open(os.path.join(DATA, "records-colour.png"), "wb") as file:
        file.write(colour)


def enlarged():
    """Pillow's bicubic is Keys' with a = -0.5; mode F computes in floats."""
    tensors = {}
    for factor, shape in ((2, (5, 7)), (3, (4, 3)), (4, (6, 2))):
        x = Philox(40 + factor).uniform(int(np.prod(shape))).reshape(shape).astype(np.float32)
        large = Image.fromarray(x, mode="F").resize((shape[1] * factor, shape[0] * factor), Image.BICUBIC)
        tensors[f"bicubic.{factor}"] = np.asarray(large, dtype=np.float32)
    save_file(tensors, os.path.join(DATA, "strips.safetensors"))


def show(path):
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

    for event in LegacyEventFileLoader(path).Load():
        print(event.wall_time, event.step, event.file_version, event.session_log.status, end="")
        for value in event.summary.value:
            print("", value.tag, value.simple_value if value.HasField("simple_value") else (
                value.image.height, value.image.width, value.image.colorspace,
                Image.open(io.BytesIO(value.image.encoded_image_string)).size), end="")
        print()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        show(sys.argv[1])
    else:
        events()
        enlarged()
