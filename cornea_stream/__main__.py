"""`python -m cornea_stream` is `cornea-stream`."""

from cornea_stream.cli import main

if __name__ == "__main__":
    main()
