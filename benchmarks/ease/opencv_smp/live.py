"""A camera, recorded with the overlay."""

import sys

import cv2
from network import load, segment

source, folder, weights = sys.argv[1:]
model = load(weights)
capture = cv2.VideoCapture(source)
size = [int(capture.get(side)) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)]
codec = cv2.VideoWriter_fourcc(*"mp4v")
writer = cv2.VideoWriter(f"{folder}/o.mp4", codec, capture.get(cv2.CAP_PROP_FPS), size)
while True:
    read, image = capture.read()
    if not read:
        break
    mask = segment(model, image)
    image[mask] = image[mask] // 2 + (0, 127, 0)
    writer.write(image)
writer.release()
