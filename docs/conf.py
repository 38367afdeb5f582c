"""How the pages are made: ``make docs``."""

from typing import Any

import jaxdedup

project = "jaxdedup"
author = "the jaxdedup developers"
copyright = f"2026, {author}"
version = release = jaxdedup.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # the tests run the notebooks
default_role = "code"  # of docstrings, as in the pages

autodoc_default_options = {"members": True, "imported-members": True}
autodoc_member_order = "bysource"
napoleon_custom_sections = [("Attributes", "params_style")]  # a list, and no second entry each
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_typehints_format = "short"
maximum_signature_line_length = 88
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = f"jaxdedup {release}"
html_show_sourcelink = False
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True


def setup(app: Any) -> None:
    """Leave out the fields of named tuples, which the docstring lists with their meaning."""

    def skip(_app: Any, _kind: str, _name: str, member: Any, skipped: bool, _options: Any) -> bool:
        return skipped or str(member.__doc__).startswith("Alias for field number")

    app.connect("autodoc-skip-member", skip)
