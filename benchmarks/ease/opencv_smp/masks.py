"""A mask PNG of every frame."""

import sys

import cv2
import numpy as np
from network import load, segment

source, folder, weights = sys.argv[1:]
model = load(weights)
capture = cv2.VideoCapture(source)
number = 0
while True:
    read, image = capture.read()
    if not read:
        break
    cv2.imwrite(f"{folder}/{number:06d}.png", np.uint8(255) * segment(model, image))
    number += 1
