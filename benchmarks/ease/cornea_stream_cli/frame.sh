cornea-stream frame "$1" 0:05.5 -o "$2"
