cornea-stream run "$1" -o "$2"
