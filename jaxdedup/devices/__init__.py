"""How array functions use a CPU: its vectors, and all of its cores."""

from ._cores import is_default as is_default
from ._cores import is_on_one_cpu as is_on_one_cpu
from ._cores import map_on_cores as map_on_cores
from ._cores import split_for_cores as split_for_cores
from ._programs import ALIGNED as ALIGNED
from ._programs import EIGEN_PRODUCTS as EIGEN_PRODUCTS
from ._programs import ON_ONE_CORE as ON_ONE_CORE
from ._programs import WideProgram as WideProgram
from ._programs import compile_wide as compile_wide
from ._programs import program_of_products as program_of_products

__all__ = [
    "ALIGNED",
    "EIGEN_PRODUCTS",
    "ON_ONE_CORE",
    "WideProgram",
    "compile_wide",
    "is_default",
    "is_on_one_cpu",
    "map_on_cores",
    "program_of_products",
    "split_for_cores",
]
