"""Reports of a finished run from its folder: measurements, notable moments, a figure, a page."""

from cornea_stream.report.files import INDEX, REPORT
from cornea_stream.report.index_page import Failure, IndexEntry, write_index
from cornea_stream.report.page import Report, check_report, discard_report, write_report
from cornea_stream.report.runs import find_runs, is_run

__all__ = [
    "INDEX",
    "REPORT",
    "Failure",
    "IndexEntry",
    "Report",
    "check_report",
    "discard_report",
    "find_runs",
    "is_run",
    "write_index",
    "write_report",
]
