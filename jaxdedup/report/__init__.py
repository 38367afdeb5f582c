"""Pages that show duplicates: ``save_report`` for the browser, ``show_duplicates`` for notebooks.

A page takes the map that ``find_duplicates`` returns, with or without scores. It is one HTML file
that loads nothing from anywhere and changes nothing; its thumbnails are embedded.
"""

from ._members import DuplicateMap
from ._report import Gallery, save_report, show_duplicates

__all__ = ["DuplicateMap", "Gallery", "save_report", "show_duplicates"]
