"""Pages that show duplicates: ``save_report`` for the browser, ``show_duplicates`` for notebooks.

A page takes the map that ``find_duplicates`` returns, with or without scores. It is one HTML file
that loads nothing from anywhere and changes nothing; its thumbnails are embedded.

A group is a connected component of the map; the largest come first. Each begins with the image that
has most duplicates; the others carry their distance or similarity to it or, where they are not its
duplicates, to the nearest of those to which a shorter chain of duplicates leads. Images that can't
be loaded are shown as such.

The thumbnails are made as large, from 480 pixels down to 80, as the room for them allows; where it
still does not suffice, fewer images of each group are shown. What a group has beyond that is named.
A copy that was found turned (``orientations=``) is shown turned back, and says so. Images of one
colour and those of low quality, which no hash can tell apart, come last, apart from the others.

Two images can be laid side by side or over one another, with what differs; and images can be marked
that are to be kept. The page saves what is marked, and what can go in its favour, as a list that
ends names with NUL, as ``jaxdedup find --to-remove --null`` prints, or as JSON.
"""

from ._members import DuplicateMap as DuplicateMap
from ._report import Gallery as Gallery
from ._report import save_report as save_report
from ._report import show_duplicates as show_duplicates
