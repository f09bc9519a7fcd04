"""A mask PNG of every frame."""

import sys

import numpy as np
import supervision as sv
from network import load, segment

source, folder, weights = sys.argv[1:]
model = load(weights)
with sv.ImageSink(folder, image_name_pattern="{:06d}.png") as sink:
    for image in sv.get_video_frames_generator(source):
        sink.save_image(np.uint8(255) * segment(model, image))
