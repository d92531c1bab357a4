"""The documentation site: Sphinx with MyST-NB. `make docs` builds it, without the network."""

import re

from nearfield import __version__

project = "nearfield"
author = "the nearfield authors"
release = version = __version__
copyright = "the nearfield authors, MIT or Apache-2.0"  # noqa: A001 - Sphinx's name

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = f"nearfield {release}"
html_static_path = []

# Notebooks are executed by the tests; the site shows the outputs that are stored.
nb_execution_mode = "off"
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"
napoleon_numpy_docstring = True
napoleon_google_docstring = False
napoleon_use_rtype = False
# Docstrings say `name`, for readers of plain text: here it is code.
default_role = "code"


def outside(_app, name, source):
    """Names files of the repository that the pages link to and the site does not have."""
    up = "../" * (name.count("/") + 1)
    source[0] = re.sub(
        rf"\[([^\]]+)\]\({re.escape(up)}([^)]+)\)", r"\1 (`\2`)", source[0]
    )


def setup(app):
    """Sphinx calls this."""
    app.connect("source-read", outside)
