from .errors import CorneaStreamError as CorneaStreamError
from .errors import CorneaStreamWarning as CorneaStreamWarning
from .inference.overlay import overlay as overlay
from .inference.segmentation import Segmentation as Segmentation
from .inference.segmenter import Segmenter as Segmenter
from .inference.session import Session as Session
from .media.frame import Frame as Frame
from .media.frame import MediaInfo as MediaInfo
from .media.overlay import OverlayStyle as OverlayStyle
from .models.checkpoint import Checkpoint as Checkpoint
from .models.checkpoint import load_checkpoint as load_checkpoint
from .models.checkpoint import save_checkpoint as save_checkpoint
from .postprocess.measurement import Measurement as Measurement
from .postprocess.measurement import measure as measure
from .report import write_report as write_report
from .runs.options import RunOptions as RunOptions
from .runs.result import RunResult as RunResult
from .runs.run import run_source as run_source
from .runs.snapshot import snapshot as snapshot
from .sinks.video_writer import VideoWriter as VideoWriter
from .sources import open_source as open_source

__version__: str
