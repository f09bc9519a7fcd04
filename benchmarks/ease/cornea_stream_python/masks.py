"""A mask PNG of every frame."""

import sys

import cv2

from cornea_stream import Segmenter

for found in Segmenter().stream(sys.argv[1]):
    cv2.imwrite(f"{sys.argv[2]}/{found.frame.index:06d}.png", found.mask)
