"""Five jobs, each written with several tools: lines, seconds, and what the outputs have lost.

`cornea_stream_cli/` to `ultralytics_yolo/` hold a program per tool and job. `__main__.py` runs
them, `clips.py` makes their sources, `checks.py` reads their outputs.
"""
