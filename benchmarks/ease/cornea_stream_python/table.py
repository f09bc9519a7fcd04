"""Measurements of every frame as a table."""

import sys

import pandas as pd

from cornea_stream import Segmenter

table = pd.DataFrame(found.to_dict() for found in Segmenter().stream(sys.argv[1]))
table.to_csv(sys.argv[2] + "/table.csv")
