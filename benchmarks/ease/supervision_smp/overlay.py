"""An overlay video."""

import sys

import supervision as sv
from detect import detect
from network import load

source, folder, weights = sys.argv[1:]
model, annotator = load(weights), sv.MaskAnnotator(sv.Color.GREEN)
sv.process_video(
    source,
    f"{folder}/o.mp4",
    lambda image, _: annotator.annotate(image, detect(model, image)),
)
