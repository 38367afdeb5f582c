"""Pages that show duplicates: ``save_report`` for the browser, ``show_duplicates`` for notebooks.

A page takes the map that ``find_duplicates`` returns, with or without scores. It is one HTML file
that loads nothing from anywhere and changes nothing; its thumbnails are embedded.
"""

from ._members import DuplicateMap as DuplicateMap
from ._report import Gallery as Gallery
from ._report import save_report as save_report
from ._report import show_duplicates as show_duplicates
