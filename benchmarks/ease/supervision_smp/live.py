"""A camera, recorded with the overlay."""

import sys

import supervision as sv
from detect import detect
from network import load

source, folder, weights = sys.argv[1:]
model, annotator = load(weights), sv.MaskAnnotator(sv.Color.GREEN)
info = sv.VideoInfo.from_video_path(source)
with sv.VideoSink(f"{folder}/o.mp4", info) as sink:
    for image in sv.get_video_frames_generator(source):
        sink.write_frame(annotator.annotate(image, detect(model, image)))
