"""An RTSP server of GStreamer's that plays a Matroska file in real time, once for all who look.

Run by the system's Python, which has GStreamer's bindings: python3 rtsp.py FILE PORT
"""

from __future__ import annotations

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

Gst.init(None)
factory = GstRtspServer.RTSPMediaFactory()
file = f'filesrc location="{sys.argv[1]}" ! matroskademux'
factory.set_launch(f"( {file} ! rtph264pay name=pay0 config-interval=-1 )")
factory.set_shared(True)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(sys.argv[2])
server.get_mount_points().add_factory("/eye", factory)
server.attach(None)
print("ready", flush=True)  # noqa: T201
GLib.MainLoop().run()
