cornea-stream run "$1" -o "$2" --reconnect-timeout 0
