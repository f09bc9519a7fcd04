"""Measurements of every frame as a table."""

import csv
import sys

import cv2
from ultralytics import YOLO

source, folder, weights = sys.argv[1:]
fps = cv2.VideoCapture(source).get(cv2.CAP_PROP_FPS)
options = {"imgsz": (256, 416), "retina_masks": True, "max_det": 1, "verbose": False}
with open(f"{folder}/table.csv", "w", newline="") as file:  # noqa: PTH123
    table = csv.writer(file)
    table.writerow(["time_s", "area_px", "centroid_x", "centroid_y", "major_axis_px"])
    for number, found in enumerate(YOLO(weights, task="segment")(source, stream=True, **options)):
        if found.masks is None or len(found.masks.xy[0]) < 5:
            table.writerow([number / fps, 0, "", "", ""])
            continue
        contour = found.masks.xy[0]
        axes = cv2.fitEllipse(contour)[1]
        area = int(found.masks.data[0].sum())
        table.writerow([number / fps, area, *contour.mean(axis=0), max(axes)])
