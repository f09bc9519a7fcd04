"""Measurements of every frame as a table."""

import csv
import sys

import cv2
import numpy as np
from network import load, segment

source, folder, weights = sys.argv[1:]
model = load(weights)
capture = cv2.VideoCapture(source)
with open(f"{folder}/table.csv", "w", newline="") as file:  # noqa: PTH123
    table = csv.writer(file)
    table.writerow(["time_s", "area_px", "centroid_x", "centroid_y", "major_axis_px"])
    while True:
        read, image = capture.read()
        if not read:
            break
        time_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        mask = np.uint8(255) * segment(model, image)
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        largest = max(contours, key=cv2.contourArea, default=())
        if len(largest) < 5:
            table.writerow([time_s, 0, "", "", ""])
            continue
        x, y = largest[:, 0].mean(axis=0)
        axes = cv2.fitEllipse(largest)[1]
        table.writerow([time_s, cv2.countNonZero(mask), x, y, max(axes)])
