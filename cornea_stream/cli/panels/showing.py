"""How the result looks, and where it is streamed."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import typer

from cornea_stream.cli import help as panels
from cornea_stream.cli.help import MOST_USED


@dataclass(frozen=True)
class Look:
    """How the overlay is painted."""

    PANEL: ClassVar[str] = panels.DISPLAY

    contour: Annotated[
        bool,
        typer.Option(
            "--contour/--fill",
            help="Draw the outline instead of filling the cornea.",
        ),
    ] = False
    thickness: Annotated[
        int | None,
        typer.Option(
            help="Thickness of the outline in pixels.", metavar="N", show_default="by frame height"
        ),
    ] = None
    opacity: Annotated[
        float | None,
        typer.Option(
            help="Opacity of the overlay, 0 to 1.",
            metavar="P",
            show_default="0.5, of an outline 1",
        ),
    ] = None
    color: Annotated[str, typer.Option(help="A name, '#rgb' or '#rrggbb'.", metavar="COLOR")] = (
        "green"
    )
    label: Annotated[bool, typer.Option("--label/--no-label", help="Draw the legend.")] = True

    def style(self) -> dict[str, Any]:
        """Return the arguments of `RunOptions` and `snapshot`."""
        return {
            "contour": self.contour,
            "thickness": self.thickness,
            "opacity": self.opacity,
            "color": self.color,
            "label": self.label,
        }


@dataclass(frozen=True)
class Streams:
    """Live sources, published videos and the preview."""

    PANEL: ClassVar[str] = panels.STREAMS

    preview: Annotated[
        bool,
        typer.Option(
            "--preview",
            help="Show the overlay in the browser during the run.",
            rich_help_panel=MOST_USED,
        ),
    ] = False
    publish: Annotated[
        list[str] | None,
        typer.Option(help="Send the overlay to rtsp://, rtmp:// or udp://.", metavar="URL"),
    ] = None
    live: Annotated[
        bool | None,
        typer.Option(
            "--live/--no-live",
            help="Drop frames if the source is faster than inference.",
            show_default="for rtsp, rtmp, udp and cameras",
        ),
    ] = None
    realtime: Annotated[
        bool | None,
        typer.Option(
            "--realtime/--no-realtime",
            help="Read files no faster than real time.",
            show_default="with --publish",
        ),
    ] = None
    reconnect_timeout: Annotated[
        str, typer.Option(help="How long to keep reconnecting to a live source.", metavar="TIME")
    ] = "30"
    stream_format: Annotated[
        str,
        typer.Option(help="Container on standard output.", metavar="matroska|mpegts"),
    ] = "matroska"
    preview_port: Annotated[
        int, typer.Option(help="Port of the preview.", metavar="N", show_default="any")
    ] = 0
    preview_host: Annotated[
        str, typer.Option(help="Host name or address to serve the preview on.", metavar="HOST")
    ] = "127.0.0.1"

    def run_options(self) -> dict[str, Any]:
        """Return the arguments of `RunOptions`.

        Raises UsageError for a wrong time, and BadParameter for a place without a preview.
        """
        from cornea_stream.media.times import parse_time
        from cornea_stream.sinks import PreviewSettings

        for name in ("preview_port", "preview_host"):
            if not self.preview and getattr(self, name) != getattr(Streams, name):
                raise typer.BadParameter(f"--{name.replace('_', '-')} is for --preview: add it")
        return {
            "live": self.live,
            "reconnect_s": parse_time(self.reconnect_timeout),
            "realtime": self.realtime,
            "preview": PreviewSettings(self.preview_host, self.preview_port)
            if self.preview
            else None,
        }
