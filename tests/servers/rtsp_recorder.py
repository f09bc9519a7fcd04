"""An RTSP server that clients publish to; run by the system's Python, which has GStreamer.

It writes the pictures (H.264) and the sound that it is sent to the two files that are its
arguments, and prints its port.
"""

from __future__ import annotations

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

Gst.init(None)
factory = GstRtspServer.RTSPMediaFactory()
factory.set_transport_mode(GstRtspServer.RTSPTransportMode.RECORD)
to_file = "filesink sync=false buffer-mode=unbuffered"
factory.set_launch(
    "( rtph264depay name=depay0 ! video/x-h264,stream-format=byte-stream,alignment=au "
    f"! {to_file} location={sys.argv[1]} "
    f"rtpmp4gdepay name=depay1 ! {to_file} location={sys.argv[2]} )"
)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service("0")
server.get_mount_points().add_factory("/live", factory)
server.attach(None)
print(server.get_bound_port(), flush=True)  # noqa: T201
GLib.MainLoop().run()
