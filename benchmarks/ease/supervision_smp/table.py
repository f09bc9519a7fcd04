"""Measurements of every frame as a table."""

import sys

import cv2
import supervision as sv
from detect import detect
from network import load

source, folder, weights = sys.argv[1:]
model, fps = load(weights), sv.VideoInfo.from_video_path(source).fps
with sv.CSVSink(f"{folder}/table.csv") as table:
    for number, image in enumerate(sv.get_video_frames_generator(source)):
        found = detect(model, image)
        sizes = {"time_s": number / fps, "area_px": found.area.sum()}
        if len(found):
            contour = max(sv.mask_to_polygons(found.mask[0]), key=len)
            sizes["centroid_x"], sizes["centroid_y"] = contour.mean(axis=0)
            sizes["major_axis_px"] = max(cv2.fitEllipse(contour)[1])
        table.append(found, sizes)
