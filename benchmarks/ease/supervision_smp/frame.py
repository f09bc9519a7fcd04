"""One frame, its mask and its overlay."""

import sys

import cv2
import numpy as np
import supervision as sv
from detect import detect
from network import load

source, folder, weights = sys.argv[1:]
start = round(5.5 * sv.VideoInfo.from_video_path(source).fps)
image = next(sv.get_video_frames_generator(source, start=start))
found = detect(load(weights), image)
cv2.imwrite(f"{folder}/original.png", image)
cv2.imwrite(f"{folder}/mask.png", np.uint8(255) * found.mask[0])
cv2.imwrite(f"{folder}/overlay.png", sv.MaskAnnotator(sv.Color.GREEN).annotate(image, found))
