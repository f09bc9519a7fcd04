cornea-stream run "$1" -o "$2" --no-overlay --save-frames masks
