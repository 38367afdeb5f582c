"""Duplicates among encodings: matches, groups, what can go, and how good it is what was found."""

from ._evaluation import evaluate as evaluate
from ._keep import Files as Files
from ._keep import Keep as Keep
from ._keep import check_keep as check_keep
from ._keep import look as look
from ._matches import Matches as Matches
from ._matches import text_names as text_names
from ._metric import COSINE as COSINE
from ._metric import HAMMING as HAMMING
from ._metric import Metric as Metric
from ._metric import check_threshold as check_threshold
from ._metric import default_threshold as default_threshold
from ._nearest import find_nearest as find_nearest
from ._quality import check_quality as check_quality
from ._quality import of_quality as of_quality
from ._search import DEFAULT_MAX_PAIRS as DEFAULT_MAX_PAIRS
from ._search import find_matches as find_matches
from ._search import iter_pairs as iter_pairs
from ._search import upright as upright
from ._together import intersection as intersection
from ._together import union as union
from ._together import union_groups as union_groups
